"""Asserts of the contract are explained as those of test modules are."""

import pytest

pytest.register_assert_rewrite("buckets.contract")

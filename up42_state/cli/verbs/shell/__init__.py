"""The verb for shells."""

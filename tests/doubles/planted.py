"""Secrets that tests plant, and then look for wherever something leaves the process."""

from __future__ import annotations

PLANTED = "planted" + "-secret"  # in two pieces, so that no scanner of sources takes it for one
ACCOUNT = {
    "type": "service_account",
    "client_email": "block@project.iam.gserviceaccount.com",
    "private_key": PLANTED,
    "token_uri": "https://oauth2.googleapis.com/token",
}

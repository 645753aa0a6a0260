"""Vendors that can be asked for what never arrived: each lists, newest first, what it could not deliver."""

from functions.api.vendors.calls import HeldBack, StaleCursor
from functions.api.vendors.github import GitHubDeliveries
from functions.api.vendors.missed import Missed, MissedPage, Vendor
from functions.api.vendors.stripe import StripeEvents

__all__ = [
    "GitHubDeliveries",
    "HeldBack",
    "Missed",
    "MissedPage",
    "StaleCursor",
    "StripeEvents",
    "Vendor",
]

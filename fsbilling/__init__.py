"""Billing for FreeSWITCH: authorise, meter, cut, settle."""

__version__ = "0.1.0"

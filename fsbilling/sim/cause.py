"""Hang-up causes as FreeSWITCH numbers them.

Source: CAUSE_CHART in switch_channel.c, SWITCH_CAUSE_* in switch_types.h, and
`hangup_cause_to_sip` in mod_sofia.c. Only what a call of the model can end with.
"""

from __future__ import annotations

NORMAL_CLEARING = "NORMAL_CLEARING"

_NUMBERS = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_DESTINATION": 3,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54,
    "BEARERCAPABILITY_NOTAUTH": 57,
    "SERVICE_UNAVAILABLE": 63,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "ORIGINATOR_CANCEL": 487,
    "SYSTEM_SHUTDOWN": 701,
    "MANAGER_REQUEST": 703,
    "BLIND_TRANSFER": 800,
    "ATTENDED_TRANSFER": 801,
    "ALLOTTED_TIMEOUT": 802,
    "MEDIA_TIMEOUT": 804,
}

_SIP = {
    "UNALLOCATED_NUMBER": (404, "Not Found"),
    "NO_ROUTE_DESTINATION": (404, "Not Found"),
    "USER_BUSY": (486, "Busy Here"),
    "NO_USER_RESPONSE": (408, "Request Timeout"),
    "NO_ANSWER": (480, "Temporarily Unavailable"),
    "CALL_REJECTED": (603, "Decline"),
    "NUMBER_CHANGED": (410, "Gone"),
    "DESTINATION_OUT_OF_ORDER": (502, "Bad Gateway"),
    "INVALID_NUMBER_FORMAT": (484, "Address Incomplete"),
    "NORMAL_TEMPORARY_FAILURE": (503, "Service Unavailable"),
    "SWITCH_CONGESTION": (503, "Service Unavailable"),
    "OUTGOING_CALL_BARRED": (403, "Forbidden"),
    "INCOMING_CALL_BARRED": (403, "Forbidden"),
    "BEARERCAPABILITY_NOTAUTH": (403, "Forbidden"),
    "RECOVERY_ON_TIMER_EXPIRE": (504, "Gateway Time-out"),
    "ORIGINATOR_CANCEL": (487, "Request Terminated"),
}

_LAST_Q850 = 127
"""SWITCH_CAUSE_INTERWORKING: above it the numbers are FreeSWITCH's own."""


def parse_cause(text: str) -> str:
    """Read a cause as the API does: in any case; what is not known is NORMAL_CLEARING."""
    name = text.upper()
    return name if name in _NUMBERS else NORMAL_CLEARING


def cause_number(cause: str) -> int:
    """FreeSWITCH's own number of a cause."""
    return _NUMBERS.get(cause, _NUMBERS[NORMAL_CLEARING])


def q850(cause: str) -> int:
    """The Q.850 number; FreeSWITCH's own causes count as 16, normal clearing."""
    number = cause_number(cause)
    return number if number <= _LAST_Q850 else _NUMBERS[NORMAL_CLEARING]


def sip_response(cause: str) -> tuple[int, str]:
    """The SIP status and phrase that refuse a call for this cause (480 for all others)."""
    return _SIP.get(cause, (480, "Temporarily Unavailable"))

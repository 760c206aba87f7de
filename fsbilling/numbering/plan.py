"""The telephone numbering plan of mainland China, as far as billing needs it.

Sources: 电信网编号计划 (MIIT, 2017 edition); for numbers abroad ITU-T E.164. Except where a name
says otherwise, a pattern matches a whole *national significant number*: ASCII digits, no trunk 0,
no country code.

The list of area codes belongs to the region table. Here they are patterns, so that a code that
was merged away (0852, 0378) still reads as a landline; its region is then unknown.
"""

from __future__ import annotations

import re

COUNTRY_CODE = "86"

EMERGENCY = frozenset({"110", "119", "120", "122"})
"""Police, fire, ambulance, road accidents (DESIGN rule 10)."""

SERVICE_400 = re.compile(r"400[0-9]{7}")

MOBILE = re.compile(r"1[3-9][0-9]{9}")

_AREA = r"(?:10|2[0-9]|(?!400|800|86|95[06-9]|96)[3-9][0-9]{2})"
"""Two digits for the largest cities, three elsewhere. 400 and 800 are services, 86 is the country,
95 and 96 are hotlines except for Ningxia's 951 to 955: none of those is an area."""

LANDLINE = re.compile(rf"(?=10|2){_AREA}[1-9][0-9]{{7}}|(?!10|2){_AREA}[1-9][0-9]{{6,7}}")
"""Subscribers have 8 digits where the area code has two, else 7 or 8."""

LOCAL = re.compile(r"[2-8][0-9]{6,7}")
"""A subscriber's number without area code; those never begin with 0, 1 or 9."""

HOTLINE = re.compile(
    r"1[12][0-9]"  # 114, 121
    r"|10[01][0-9]{2}"  # 10000, 10010, 10086, 10198
    r"|100(?:00|10|86|99)[0-9]{1,3}"  # 1008611
    r"|11[68][0-9]{2,3}"  # 11888, 116114, 118114
    r"|12[0-9]{3}"  # 12306, 12315, 12345
    r"|179[0-9]{2}"  # 17909 on its own
    r"|9[56][0-9]{3,6}"  # 95588, 961200, 95105105
    r"|9(?:5[06-9]|6[0-9])[0-9]{6,12}"  # 95013 and its like, with the subscriber's own digits
    r"|800[0-9]{7}"  # free for the caller; the elder sister of 400
)
"""Numbers that are dialled alike everywhere, with no area code."""

AREA_AND_SHORT = re.compile(rf"{_AREA}(1[12][0-9]|12[0-9]{{3}}|9[56][0-9]{{3,4}}|[0-9]{{3}})")
"""Another city's hotline or emergency service: 0755-12345, 010-110. The group is the short part."""

EXTENSION = re.compile(r"[1-9][0-9]{2,5}")
"""A number inside a company, where no hotline has that number."""

CARRIER_PREFIX = re.compile(r"(?:(?:\+|00)86|0)?(?:179[0-9]{2}|12593|11808|10193|10131)")
"""Chooses the carrier (or its IP telephony) for the number that follows it."""

GREATER_CHINA = re.compile(r"852[2-9][0-9]{7}|853[268][0-9]{7}|886[1-9][0-9]{7,8}")
"""Hong Kong, Macau, Taiwan with country code. Foreign switches send them without 00; no landline
reads like them, since 0852 and 0853 were merged into 0851 and 0886 has 7-digit subscribers."""

INTERNATIONAL = re.compile(r"(?!86|400[0-9]{7}$)(?:1[2-9][0-9]{9}|[2-9][0-9]{6,14})")
"""E.164 with a country code that is not ours; 11 digits in all for country code 1. Ten digits
that begin with 400 are left out: they are no valid number of Romania (40), and digits must never
look like somebody's 400 number."""

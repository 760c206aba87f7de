"""What kind of callee a 400 number's target is."""

import pytest

from fsbilling.billing.target import callee_kind
from fsbilling.numbering.number import normalise


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("sofia/gateway/carrier/13800138000", "mobile"),
        ("sofia/gateway/carrier/075583765566", "landline"),
        ("sofia/gateway/carrier/83765566", "landline"),
        ("sofia/gateway/carrier/8376556", "landline"),
        ("sofia/external/83765566@192.0.2.1", "landline"),
        ("sofia/gateway/carrier/95105105", "call_centre"),
        ("sofia/gateway/carrier/0085212345678", "international"),
        ("sofia/gateway/pbx/1001", "call_centre"),
        ("user/83765566", "call_centre"),
        ("user/1001", "call_centre"),
        ("loopback/queue", "call_centre"),
        ("", "call_centre"),
    ],
)
def test_a_400_number_is_of_the_kind_of_its_target(target, kind):
    assert callee_kind(normalise("4001234567"), target) == kind


def test_any_other_number_is_of_its_own_kind():
    assert callee_kind(normalise("13800138000"), "user/1001") == "mobile"

"""The files that mod_json_cdr would write of a simulated switch's legs."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

EPOCHS = {
    "start_uepoch": "Caller-Channel-Created-Time",
    "progress_uepoch": "Caller-Channel-Progress-Time",
    "answer_uepoch": "Caller-Channel-Answered-Time",
    "end_uepoch": "Caller-Channel-Hangup-Time",
}


def record_legs(world, folder: Path) -> None:
    """Let the world's switch write each leg that ends."""
    world.sim.listen(
        lambda event: write(folder, event.headers | {"Core-UUID": world.sim.core_uuid}),
        {"CHANNEL_HANGUP_COMPLETE"},
    )


def write(folder: Path, headers: dict[str, str], **changes: str) -> Path:
    """Write the record of a leg by its hang-up event; values encoded as FreeSWITCH does."""
    variables = {
        name.removeprefix("variable_"): value
        for name, value in headers.items()
        if name.startswith("variable_")
    }
    variables |= {
        "uuid": headers["Unique-ID"],
        "direction": headers["Call-Direction"],
        "hangup_cause": headers["Hangup-Cause"],
        **{name: headers.get(header, "0") for name, header in EPOCHS.items()},
    }
    variables |= changes
    record = {
        "core-uuid": headers["Core-UUID"],
        "variables": {name: quote(str(value), safe="") for name, value in variables.items()},
        "callflow": [
            {
                "profile_index": "1",
                "caller_profile": {
                    "caller_id_number": headers.get("Caller-Caller-ID-Number", ""),
                    "destination_number": headers.get("Caller-Destination-Number", ""),
                },
            }
        ],
    }
    path = folder / f"{headers['Unique-ID']}.cdr.json"
    path.write_text(json.dumps(record))
    return path

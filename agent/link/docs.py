"""Writes docs/schema/*.json and docs/uplink.asyncapi.json from the message models: `python -m agent.link.docs DOCS`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from agent.link.messages import MODELS, schema
from agent.link.topics import ROOT, Topic

# topic -> (message, who sends it, retained)
_CHANNELS: dict[Topic, tuple[str, str, bool]] = {
    Topic.STATE: ("state", "gateway", True),
    Topic.BIRTH: ("birth", "gateway", True),
    Topic.ALARM: ("record", "gateway", False),
    Topic.EVENT: ("record", "gateway", False),
    Topic.PROTECTION: ("record", "gateway", True),
    Topic.READING: ("reading", "gateway", False),
    Topic.ANSWER: ("answer", "gateway", False),
    Topic.RECEIVED: ("received", "platform", False),
    Topic.ASK: ("ask", "platform", False),
}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document, as seen from the gateway."""
    channels, operations = {}, {}
    for topic, (message, sender, retained) in _CHANNELS.items():
        channels[topic.value] = {
            "address": f"{ROOT}/{{site}}/{topic}",
            "parameters": {"site": {"description": "The site's id: a-z, 0-9 and '-', at most 64."}},
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        }
        operations[topic.value] = {
            "action": "send" if sender == "gateway" else "receive",
            "channel": {"$ref": f"#/channels/{topic}"},
            "bindings": {"mqtt": {"qos": 1, "retain": retained}},
        }
    messages = {
        name: {
            "name": name,
            "contentType": "application/json",
            "summary": (model.__doc__ or "").split("\n", maxsplit=1)[0],
            "payload": {"$ref": f"schema/{name}.json"},
        }
        for name, model in MODELS.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tocsin uplink", "version": "1", "description": "See uplink.md."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def files() -> dict[str, str]:
    """Every generated file, by its name below the documentation's directory."""
    made = {f"schema/{name}.json": schema(name) for name in MODELS}
    made["uplink.asyncapi.json"] = asyncapi()
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in made.items()}


def main(argv: list[str]) -> int:
    """Write them."""
    directory = Path(argv[0] if argv else "docs")
    for name, text in files().items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bill of materials: the installed distributions that genpose_ros consists of, as CycloneDX JSON.

`python -m embedded.sbom FILE` writes it; without extras, what a robot runs.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

__all__ = ["bill_of_materials", "needed"]

_ROOT = "genpose_ros"


def needed(name: str = _ROOT) -> dict[str, Distribution]:
    """Return a distribution and all that it needs, by their normalised names.

    Raises:
        PackageNotFoundError: the distribution itself is not installed.
    """
    found = {_normalised(name): distribution(name)}
    waiting = list(found.values())
    while waiting:
        for other in _requirements(waiting.pop()):
            if other in found:
                continue
            try:
                found[other] = distribution(other)
            except PackageNotFoundError:
                continue  # for another system or Python
            waiting.append(found[other])
    return found


def bill_of_materials(name: str = _ROOT) -> dict[str, Any]:
    """Return the bill of a distribution: name, version, licence and package URL of each part."""
    parts = needed(name)
    own = parts.pop(_normalised(name))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**_component(_normalised(name), own), "type": "application"}},
        "components": [_component(other, parts[other]) for other in sorted(parts)],
        "dependencies": [
            {
                "ref": _purl(other, part),
                "dependsOn": sorted(
                    _purl(n, parts[n]) for n in set(_requirements(part)) if n in parts
                ),
            }
            for other, part in sorted({_normalised(name): own, **parts}.items())
        ],
    }


def _requirements(part: Distribution) -> Iterator[str]:
    """Names of what a distribution needs, extras left out."""
    for text in part.requires or ():
        requirement, _, marker = text.partition(";")
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match and "extra" not in marker:
            yield _normalised(match[0])


def _component(name: str, part: Distribution) -> dict[str, Any]:
    purl, licence = _purl(name, part), part.metadata.get("License-Expression")
    component = {"type": "library", "bom-ref": purl, "purl": purl}
    component |= {"name": name, "version": part.version}
    return component | ({"licenses": [{"expression": licence}]} if licence else {})


def _purl(name: str, part: Distribution) -> str:
    return f"pkg:pypi/{name}@{part.version}"


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    bill = bill_of_materials()
    file.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    print(f"{file}: {len(bill['components'])} distributions")

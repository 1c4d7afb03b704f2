"""The training step compiled for 64, 256 and 1,024 devices that are not here: what it sends and holds.

    python scripts/scaling/aot.py

Prints JSON. No array is made: the program is compiled from shapes, for so many forced devices of this CPU.
"""

import json
import os
import subprocess
import sys
from itertools import pairwise

NETWORKS = {
    "tabular": ((64, 128, 64, 10), 1024),
    "wide": ((784, 1024, 1024, 10), 4096),
    "large": ((1024, 8192, 8192, 8192, 1024), 16384),
}
"""{name: (widths, rows of a batch)}."""
COUNTS = (64, 256, 1024)


def main() -> None:
    """All networks on one number of devices, each number in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(compiled(int(sys.argv[1]))))
        return
    found: dict[str, dict] = {}
    for count in COUNTS:
        flags = f"--xla_force_host_platform_device_count={count}"
        done = subprocess.run(
            [sys.executable, __file__, str(count)],
            env={**os.environ, "XLA_FLAGS": flags},
            capture_output=True,
            text=True,
            check=True,
        )
        for name, facts in json.loads(done.stdout.splitlines()[-1]).items():
            found.setdefault(name, {})[count] = facts
    print(json.dumps(found))


def compiled(count: int) -> dict[str, dict]:
    """{network: what its program sends and holds on each of `count` devices}."""
    import jaxgd
    from jaxgd.scaling import Layout
    from jaxgd.scaling.collectives import collectives
    from jaxgd.training.lowering import program_of

    found = {}
    for name, (sizes, batch) in NETWORKS.items():
        model = jaxgd.mlp(sizes, activation="relu")
        program = program_of(model, 4 * batch, batch, layout=Layout(count, rows="sharded"))
        executable = program.lower().compile()
        memory = executable.memory_analysis()
        of_step = [each for each in collectives(executable.as_text()) if each.source.count("while") >= 2]
        found[name] = {
            "parameters": sum(a * b + b for a, b in pairwise(sizes)),
            "sent": {
                kind: sum(one.bytes for one in of_step if one.kind == kind)
                for kind in {c.kind for c in of_step}
            },
            "operations": {
                kind: sum(one.kind == kind for one in of_step) for kind in {c.kind for c in of_step}
            },
            "arguments": memory.argument_size_in_bytes,
            "temporary": memory.temp_size_in_bytes,
        }
    return found


if __name__ == "__main__":
    main()

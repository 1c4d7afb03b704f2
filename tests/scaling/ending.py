"""One process of a run that only meets the others and ends, some seconds later.

    python ending.py PROCESS COUNT PORT SECONDS [FUNCTION]

FUNCTION is the name that JAX's function for the service is looked for by.
"""

import sys
import time

from jaxgd.scaling import hosts, service


def main(process, count, port, seconds, function=service._NAME):
    service._NAME = function
    hosts.connect(f"127.0.0.1:{port}", int(count), int(process))
    hosts.from_all(int(process))
    time.sleep(float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])

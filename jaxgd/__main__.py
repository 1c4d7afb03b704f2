"""`python -m jaxgd` is `jaxgd`."""

from jaxgd.cli import main

main()

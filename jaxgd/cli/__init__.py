"""The command line. `main` is what the console command `jaxgd` calls."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from jaxgd.cli.app import app

    app()

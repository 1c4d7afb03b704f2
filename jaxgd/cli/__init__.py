"""The command line. `main` is what the console command `jaxgd` calls."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from jaxgd._compilation_cache import use_compilation_cache
    from jaxgd.cli.app import app

    use_compilation_cache()
    app()

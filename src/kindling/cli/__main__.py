"""`python -m kindling.cli` is `kindling`."""

from kindling.cli.main import main

if __name__ == "__main__":
    main()

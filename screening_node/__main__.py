"""``python -m screening_node``."""

from screening_node.cli import main

if __name__ == "__main__":
    main()

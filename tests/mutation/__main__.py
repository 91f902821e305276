import sys

from mutation.report import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

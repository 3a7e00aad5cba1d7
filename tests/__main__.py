"""Runs every test: whole systems, which mostly wait for real time to pass, beside all the rest.

What the systems' tests said is printed after the rest's. Exit code 1 when anything failed.
"""

import subprocess
import sys
import tempfile

SYSTEMS = ("tests/system", "tests/ops")
PYTEST = (sys.executable, "-m", "pytest", "-rs")  # -rs: what this machine can't run is told with the reason


def main() -> int:
    """Both at once; the rest's progress is seen live."""
    with tempfile.TemporaryFile() as said:
        print(f"{' and '.join(SYSTEMS)} run beside what follows", flush=True)
        systems = subprocess.Popen([*PYTEST, *SYSTEMS], stdout=said, stderr=said)
        try:
            # Less urgent: an agent that guards has as much of the machine as it would have on a gateway.
            others = ("nice", "-n", "5", *PYTEST, *(f"--ignore={folder}" for folder in SYSTEMS))
            rest = subprocess.run(others, check=False).returncode
            print("waiting for the tests of whole systems", flush=True)
            code = systems.wait()
        finally:
            systems.terminate()
        said.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(said.read())
    return int(bool(rest or code))


if __name__ == "__main__":
    sys.exit(main())

"""The program: `python -m hardware.build` redraws what is stale of page, pictures, card, marks and exports."""

from hardware.build.drawn import files, write

if __name__ == "__main__":
    for path in write(files()):
        print(f"redrawn: {path}")

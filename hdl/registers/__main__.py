"""`python -m hdl.registers`: write every file that is generated from config/registers.rdl (needs the dev extra)."""

from hdl.registers.generate import REPOSITORY, generated_files


def main() -> None:
    """Write the files into the checkout."""
    for file, text in generated_files().items():
        file.write_text(text, encoding="utf-8")
        print(file.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()

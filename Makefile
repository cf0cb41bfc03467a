# Three targets that need Python 3.11 or newer and make, nothing else:
#   make demo    from nothing to a report on images made by code
#   make test    all tests
#   make check   style, types, and the floors of the tree
# Another Python: make test PYTHON=/path/to/python3.12; tests one after the other: make test JOBS=0

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
JOBS ?= auto
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check

demo: .venv/.installed
	@out=demo; next=2; while [ -e "$$out" ] && [ ! -e "$$out/demo.json" -o -e "$$out/audit-with-a-copy" ]; do \
	out="demo-$$next"; next=$$((next + 1)); done; \
	$(BIN)/synthmed demo "$$out"

# Tests write ten thousand small files: into memory where there is room, so that nobody waits for a disk to forget them.
test: .venv/.installed-test
	@if [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'NR == 2 {print $$4}')" -gt 4000000 ]; then \
	export TMPDIR=/dev/shm; fi; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: .venv/.installed-check
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest tests/contracts/test_floors.py

# A stamp is as old as the last installation; nothing is installed again before these two files change.
.venv/.installed: pyproject.toml constraints.txt | .venv/.made
	$(INSTALL) --editable .
	@touch $@

.venv/.installed-test: pyproject.toml constraints.txt | .venv/.made
	$(INSTALL) --editable '.[test]'
	@touch $@ .venv/.installed

.venv/.installed-check: pyproject.toml constraints.txt | .venv/.made
	$(INSTALL) --editable '.[check,test]'
	@touch $@ .venv/.installed .venv/.installed-test

.venv/.made:
	@test -n "$(PYTHON)" || { \
	echo "No Python 3.11 or newer with its venv module was found; install one, or name it: make PYTHON=..." >&2; \
	exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

# Every chore of testigo; `make` alone lists them. Each one sets up what it needs, so a fresh machine can start with any of them.

PYTHON ?= python3
BIN := .venv/bin
# On Raspberry Pi OS the camera and pin libraries are the system's own (lgpio has no wheels for every Python): let the venv see them.
SYSTEM := $(if $(wildcard /usr/lib/python3/dist-packages/picamera2),--system-site-packages)

# One more than there are cores, for some wait: for brokers, for disks. They begin with a share of the tests in their order, so
# that what the tests of a file share is made once or twice, and who is done first takes from the others.
WORKERS = --numprocesses=$$(($$(nproc) + 1)) --dist=worksteal
# Tests start hundreds of programs: whatever the environment says of bytecode, those need not compile ours each time.
test hunt: export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check debian13 nspawn arm64 bench hunt docs pins

help: ## list these targets
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/  make \1,\2/p' Makefile | awk -F, '{ printf "%-16s", $$1; sub(/^[^,]*,/, ""); print }'

demo: .venv/stamp ## watch units, a broker and a hub carry actas to their totals
	@.ci/apt --try mosquitto
	@$(BIN)/testigo-sim demo

test: check .venv/picamera2/stamp ## run every check, then every test but the hunts
	@.ci/apt mosquitto postgresql openssl strace iproute2 e2fsprogs gcc libc6-dev mtools mosquitto-dev libmosquitto-dev \
		nftables swtpm tpm2-tools libtss2-tcti-swtpm0 rauc squashfs-tools python3-yaml
	@.ci/apt --try dosfstools exfatprogs fuse3 fusefat exfat-fuse
	$(BIN)/pytest $(WORKERS)

check: .venv/stamp ## lint, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

debian13: .venv/stamp ## test the camera on the real picamera2 and libcamera, and the wheel on Debian 13 (as root)
	@.ci/apt mmdebstrap debian-archive-keyring gcc libc6-dev iproute2
	tests/debian13/run

nspawn: .venv/stamp ## start a written card in a Debian 13: first boot, services, watchdog, hardening (as root)
	@.ci/apt mmdebstrap debian-archive-keyring systemd-container gcc libc6-dev swig fdisk e2fsprogs mtools
	tests/nspawn/run

arm64: .venv/stamp ## install a card's kit on a Debian 13 of arm64 under qemu, and run the core of the tests there (as root)
	@.ci/apt mmdebstrap debian-archive-keyring
	tests/arm64/run

bench: .venv/peers/stamp ## measure, beside the nearest peer
	@.ci/apt mosquitto
	@.ci/apt --try libzbar0
	$(BIN)/python -m bench

hunt: .venv/stamp ## look for rare faults: the hunts, and each property on twenty times the examples
	@.ci/apt mosquitto postgresql openssl strace iproute2 e2fsprogs gcc libc6-dev mtools mosquitto-dev libmosquitto-dev \
		nftables swtpm tpm2-tools libtss2-tcti-swtpm0 rauc squashfs-tools python3-yaml
	HYPOTHESIS_PROFILE=hunt $(BIN)/pytest $(WORKERS) -m "hunt or hypothesis" -o timeout=3600

docs: .venv/stamp ## redraw the pages that are made from the code
	$(BIN)/python -m tests.house.drawn --write
	$(BIN)/python -m hardware.build

pins: .venv/stamp ## re-pin requirements.txt with hashes (UPGRADE=--upgrade for the newest versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		$(UPGRADE) --extra dev pyproject.toml -o requirements.txt
	echo pip | $(BIN)/uv pip compile --quiet --python-version 3.13 --python-platform aarch64-manylinux_2_28 --generate-hashes \
		--no-annotate --no-header $(UPGRADE) --constraint requirements.txt --extra unit --extra pi pyproject.toml - \
		-o provisioning/unit.txt

# Made anew, never patched: what is in it is what the pins say, with no left-overs. pip alone would take a system package of
# the pinned version unhashed, hence --ignore-installed.
.venv/stamp: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "testigo needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1): say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/apt python3-venv
	@echo "setting up .venv from requirements.txt (a minute or two)"
	@$(PYTHON) -m venv --clear $(SYSTEM) .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --ignore-installed --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The camera's library, to be read and never run: what our driver calls of it must be there (tests/hardware/test_picamera2.py).
.venv/picamera2/stamp: tests/debian13/picamera2.txt .venv/stamp
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(@D) \
		-r tests/debian13/picamera2.txt
	@touch $@

# The decoders that ours is compared with, out of the program's sight: one of them brings an OpenCV of its own. Those that cannot
# be had here are named by the bench.
.venv/peers/stamp: bench/peers.txt .venv/stamp
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target .venv/peers \
		-r bench/peers.txt || echo "going on without them" >&2
	@mkdir -p $(@D) && touch $@

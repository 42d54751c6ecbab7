#!/bin/sh
# Makes the environment .venv in the checkout: `scripts/setup.sh demo` for what `make demo` needs, `scripts/setup.sh dev`
# for everything. All that the machine lacks is said at once, before anything is installed. PYTHON names an interpreter.
set -eu
cd "$(dirname "$0")/.."
use=${1:-dev}
venv=.venv
stamp=$venv/.installed

# --- the interpreter: the system's own first, since README's line of packages completes that one --------------------
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
python=
for name in ${PYTHON:+"$PYTHON"} python3 python3.12 python3.11 python3.13; do
  if fits "$name"; then python=$name; break; fi
  [ -z "${PYTHON:-}" ] || break # a named one is used, or refused
done

# --- what is installed already --------------------------------------------------------------------------------------
contents=$(cat requirements.lock pyproject.toml scripts/setup.sh | cksum)
version_of() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }
is_here() { # an environment of this checkout (launchers name its path), of the interpreter that was named
  [ -f "$stamp" ] && [ "$(sed -n 2p "$stamp")" = "$(pwd)" ] && [ -n "$(version_of "$venv/bin/python")" ] &&
    { [ -z "${PYTHON:-}" ] || [ "$(version_of "$python")" = "$(version_of "$venv/bin/python")" ]; }
}
is_complete() {
  is_here && case $(sed -n 1p "$stamp") in "dev $contents" | "$use $contents") true ;; *) false ;; esac
}
if is_complete; then exit 0; fi

# --- prerequisites ----------------------------------------------------------------------------------------------------
missing='' apt='' dnf='' brew=''
lacks() { # what, and its package for Debian and Ubuntu, Fedora, macOS
  missing="$missing
  - $1"
  apt="$apt $2" dnf="$dnf $3" brew="$brew $4"
}
no_libpython=
if [ ! -w . ]; then
  echo "qtwin installs into $(pwd)/$venv, and this folder cannot be written: copy the checkout to one of your own" >&2
  exit 1
fi
if [ -z "$python" ] && [ -n "${PYTHON:-}" ]; then
  found=$(version_of "$PYTHON" | cut -d' ' -f1)
  lacks "PYTHON=$PYTHON is not Python 3.11, 3.12 or 3.13${found:+ but $found}" '' '' '' # no package cures that
elif [ -z "$python" ]; then
  set -- /usr/lib/*/libpython3.1[123]*.so* # the pattern itself where there is none
  [ -e "$1" ] && library= || library=libpython3-dev
  lacks "Python 3.11, 3.12 or 3.13" "python3-venv $library" python3.12 python@3.12
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null || lacks "Python's venv module, of $python" python3-venv python3 python@3.12
  # cocotb embeds the interpreter in the simulator, so it needs it as a shared library
  no_libpython=$("$python" - <<'PYTHON'
import ctypes, os, sys, sysconfig
value = sysconfig.get_config_var
names = {value("INSTSONAME"), value("LDLIBRARY")} - {None}
places = ["", value("LIBDIR"), os.path.join(value("LIBDIR") or "", value("MULTIARCH") or ""), value("PYTHONFRAMEWORKPREFIX")]
for path in (os.path.join(place or "", name) for place in places for name in names if not name.endswith(".a")):
    try:
        ctypes.CDLL(path)
        sys.exit()
    except OSError:
        continue
print("package" if value("Py_ENABLE_SHARED") or value("PYTHONFRAMEWORK") else "build")
PYTHON
)
  [ "$no_libpython" != package ] || lacks "the shared library of $python (libpython), which cocotb needs" libpython3-dev python3-libs python@3.12
fi
command -v g++ >/dev/null 2>&1 || lacks "a C++ compiler (g++)" g++ gcc-c++ -
perl -MFindBin -MGetopt::Long -MPod::Usage -e 1 2>/dev/null || lacks "perl with its modules (FindBin), which Verilator needs" perl perl perl
command -v make >/dev/null 2>&1 || lacks "make" make make -
if [ -n "$missing" ]; then
  {
    echo "qtwin needs, and this machine lacks:$missing"
    echo
    unique() { printf '%s\n' $1 | grep -v '^-$' | sort -u | tr '\n' ' ' | sed 's/ $//'; }
    if [ -z "$(unique "$apt$dnf$brew")" ]; then
      :
    elif [ "$(uname)" = Darwin ]; then
      case " $brew " in *' - '*) echo "    xcode-select --install" ;; esac
      [ -z "$(unique "$brew")" ] || echo "    brew install $(unique "$brew")"
    elif command -v dnf >/dev/null 2>&1; then
      echo "    dnf install $(unique "$dnf")"
    else
      echo "    apt-get install $(unique "$apt")"
    fi
    echo "Nothing was installed. Name another interpreter with: make PYTHON=/path/to/python3.12"
  } >&2
  exit 1
fi
if [ "$no_libpython" = build ]; then
  {
    echo "note: $python was built without a shared libpython, so cocotb cannot use it: the cocotb links, and the tests"
    echo "that simulate with cocotb, do not work in this environment; the other links do. Another interpreter:"
    echo "make PYTHON=/path/to/python3.12 (with pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install 3.12)"
  } >&2
fi

# --- installation -----------------------------------------------------------------------------------------------------
log=$venv/install.log
lock=$venv.lock
pip_process=
waited=0
until mkdir "$lock" 2>/dev/null; do # another run installs here
  if [ -s "$lock/process" ] && ! kill -0 "$(cat "$lock/process")" 2>/dev/null; then
    rm -rf "$lock" # it was killed
  elif [ $waited -ge 900 ]; then
    echo "another installation has been going on in $(pwd) for 15 minutes; end it, or remove $lock" >&2
    exit 1
  else
    [ $waited -gt 0 ] || echo "waiting for another installation in $(pwd)"
    waited=$((waited + 1))
    sleep 1
  fi
done
echo $$ >"$lock/process"
trap 'rm -rf "$lock"' EXIT
trap '[ -z "$pip_process" ] || kill "$pip_process" 2>/dev/null; exit 130' INT TERM
if is_complete; then exit 0; fi
started=$(date +%s)
elapsed() { echo $(($(date +%s) - started)); }
num_installed() { find "$venv" -maxdepth 5 -name '*.dist-info' -type d | wc -l | tr -d ' '; }
case $use in
  demo) target=. about="the twin, the loop and Verilator" ;;
  *) target='.[dev]' about="everything, for tests and development" ;;
esac
echo "installing into $venv with $("$python" --version 2>&1): $about"
if ! is_here; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
rm -f "$stamp"
# the lock file pins every version; what is not for the user goes to the log
"$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile --progress-bar off \
  --constraint requirements.lock --editable "$target" >"$log" 2>&1 &
pip_process=$!
seconds=0
while kill -0 "$pip_process" 2>/dev/null; do
  sleep 1
  seconds=$((seconds + 1))
  if [ $((seconds % 5)) = 0 ]; then
    step=$(sed -n 's/^ *\(Collecting\|Downloading\|Building wheel\|Installing collected packages\)\([^(:;]*\).*/\1\2/p' "$log" | tail -n 1)
    echo "  $(elapsed) s, ${step:-starting}"
  fi
done
if ! wait "$pip_process"; then
  {
    grep -E '^(ERROR|error)|No matching|No space|Connection|Temporary failure' "$log" | sort -u | head -n 12
    echo "the installation failed; the whole of it is in $log"
    if grep -q 'No space left' "$log"; then
      echo "Everything takes 1.8 GB, what make demo needs 0.5 GB: make room, and try again"
    else
      echo "Without a network, name a folder of wheels: make PIP_FIND_LINKS=/path/to/wheels PIP_NO_INDEX=1"
    fi
  } >&2
  exit 1
fi
pip_process=
printf '%s\n%s\n' "$use $contents" "$(pwd)" >"$stamp"
echo "  $(elapsed) s, done: $(num_installed) distributions, $(du -sm "$venv" | cut -f1) MB"

"""Compiled folders: whole, self-contained, lint-clean, and refused with the reason when damaged."""

import os
import shutil
import time
from pathlib import Path

import pytest
import stim
import yaml

from hdl.build import cached_build
from hdl.compile.decoder import compile_decoder
from hdl.compile.graph import decoding_graph
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.compile.table import maximum_likelihood_table
from hdl.compile.table_core import table_planes, used_events
from hdl.errors import BuildError, ErrorModelError, ManifestError
from hdl.lint import lint
from hdl.places import CACHE_VARIABLE

TWO_OBSERVABLES = "error(0.1) D0 L0\nerror(0.1) D0 D1\nerror(0.2) D1 L1\nerror(0.05) D1 D2 L0\nerror(0.1) D2"


def repetition_model() -> stim.DetectorErrorModel:
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=3,
        before_round_data_depolarization=0.02,
        before_measure_flip_probability=0.02,
    )
    return circuit.detector_error_model(decompose_errors=True)


def compile_to(folder: Path, model: stim.DetectorErrorModel) -> DecoderFolder:
    return compile_decoder(model, events_layout(model), folder)


def test_folder_is_self_contained_and_lint_clean(tmp_path: Path) -> None:
    decoder = compile_to(tmp_path / "decoder", repetition_model())
    assert all(source.is_relative_to(decoder.path) for source in decoder.sources)
    assert lint(decoder) == ""
    moved = tmp_path / "elsewhere"
    decoder.path.rename(moved)
    assert lint(DecoderFolder(moved)) == ""


def test_two_observables_compile_and_lint(tmp_path: Path) -> None:
    decoder = compile_to(tmp_path / "decoder", stim.DetectorErrorModel(TWO_OBSERVABLES))
    assert decoder.manifest.num_observables == 2
    assert lint(decoder) == ""


def test_memory_contents_are_the_table_bit_for_bit() -> None:
    model = stim.DetectorErrorModel(TWO_OBSERVABLES)
    graph = decoding_graph(model, events_layout(model))
    table = maximum_likelihood_table(graph)
    planes = table_planes(graph, table)
    for address in range(8):
        for observable in range(2):
            assert planes[observable, 0] >> address & 1 == table[address] >> observable & 1


def test_compiling_again_replaces_a_decoder_if_asked_and_nothing_else(tmp_path: Path) -> None:
    first = compile_to(tmp_path / "decoder", repetition_model())
    two = stim.DetectorErrorModel(TWO_OBSERVABLES)
    with pytest.raises(ManifestError, match="holds another decoder"):
        compile_to(tmp_path / "decoder", two)
    assert DecoderFolder(tmp_path / "decoder").manifest == first.manifest
    again = compile_decoder(two, events_layout(two), tmp_path / "decoder", replace=True)
    assert again.manifest.num_observables == 2
    assert [path.name for path in tmp_path.iterdir()] == ["decoder"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("precious")
    with pytest.raises(ManifestError, match="not a decoder folder"):
        compile_to(other, repetition_model())
    assert (other / "chapter.txt").read_text() == "precious"


def test_failed_compilation_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ErrorModelError, match="nothing to decode"):
        compile_to(tmp_path / "decoder", stim.DetectorErrorModel("error(0.1) D0 D1"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "qds9/1"}, "speaks qds1/1"),
        ({"clock_mhz": -1}, "clock_mhz"),
        ({"clock_mhz": 5000}, "clock_mhz"),
        ({"top": "no good"}, "top"),
        ({"sources": []}, "sources"),
        ({"table": "gone.npy"}, "table names 'gone.npy'"),
    ],
)
def test_damaged_manifest_names_the_field(tmp_path: Path, change: dict[str, object], message: str) -> None:
    decoder = compile_to(tmp_path / "decoder", repetition_model())
    file = decoder.path / "decoder.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **change}))
    with pytest.raises(ManifestError, match=message):
        DecoderFolder(file)


def test_manifest_that_is_not_there_or_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        DecoderFolder(tmp_path / "decoder.yaml")
    (tmp_path / "decoder.yaml").write_text("name: [")
    with pytest.raises(ManifestError, match="not YAML"):
        DecoderFolder(tmp_path)


def test_cached_build_builds_each_content_once_and_keeps_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    source = tmp_path / "source.sv"
    source.write_text("one")
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        if source.read_text() == "broken":
            raise ErrorModelError("broken")
        (folder / "result").write_text(source.read_text())

    first = cached_build({"sources": [source]}, build)
    assert cached_build({"sources": [source]}, build) == first
    source.write_text("two")
    second = cached_build({"sources": [source]}, build)
    assert (first / "result").read_text() == "one"
    assert (second / "result").read_text() == "two"
    assert len(built) == 2
    source.write_text("broken")
    for _ in range(2):
        with pytest.raises(ErrorModelError):
            cached_build({"sources": [source]}, build)
    assert len(built) == 4
    assert not built[-1].exists()


@pytest.mark.parametrize("way", ["moved", "linked", "linked folder"])
def test_what_is_exchanged_while_a_build_reads_it_is_read_again(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a file that is older than the build."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "header.vh").write_text(name)
        os.utime(tmp_path / name / "header.vh", (1e9, 1e9))
    place = tmp_path / "place"
    header = place / "header.vh"
    if way == "linked folder":
        place.symlink_to(tmp_path / "old")
    else:
        place.mkdir()
        header.symlink_to(tmp_path / "old" / "header.vh") if way == "linked" else shutil.copy2(
            tmp_path / "old" / "header.vh", header
        )
    exchanges = [True, False]

    def build(folder: Path) -> list[Path]:
        (folder / "result").write_text(header.read_text())
        if exchanges.pop(0):
            if way == "moved":
                (tmp_path / "new" / "header.vh").rename(header)
            else:
                changed = place if way == "linked folder" else header
                changed.unlink()
                changed.symlink_to(tmp_path / "new" / ("" if way == "linked folder" else "header.vh"))
        return [header]

    assert (cached_build({}, build) / "result").read_text() == "old"
    for _ in range(2):
        assert (cached_build({}, build) / "result").read_text() == "new"
    assert exchanges == []


def test_a_source_that_is_edited_while_it_is_built_and_put_back_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    source = tmp_path / "source.sv"
    source.write_text("right")
    edits = [True, False]

    def build(folder: Path) -> None:
        if edits.pop(0):
            source.write_text("other")
        (folder / "result").write_text(source.read_text())
        source.write_text("right")

    cached_build({"sources": [source]}, build)
    time.sleep(0.05)
    for _ in range(2):
        assert (cached_build({"sources": [source]}, build) / "result").read_text() == "right"
        edits[:] = edits or [False]


def test_events_that_no_error_sets_off_take_no_room_in_the_address() -> None:
    # D0 and D1 share a place in layers 0 and 1; D2 exists in layer 1 only.
    model = stim.DetectorErrorModel(
        "detector(0, 0, 0) D0\ndetector(0, 0, 1) D1\ndetector(1, 0, 1) D2\n"
        "error(0.1) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1 D2\nerror(0.1) D2 L0"
    )
    graph = decoding_graph(model, events_layout(model))
    assert graph.vertex_position.tolist() == [0, 2, 3]
    assert used_events(graph).tolist() == [True, False, True, True]
    table = maximum_likelihood_table(graph)
    planes = table_planes(graph, table)
    assert [int(planes[0, 0]) >> a & 1 for a in range(8)] == table.tolist()


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(BuildError, match="set QTWIN_CACHE_DIR to a folder that can be written"):
        cached_build({"what": "anything"}, Path.touch)

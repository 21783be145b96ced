"""Files at paths that people give."""

import os
import pickle

import pytest

from nappo2.saving.outputs import check_output, whole_file
from nappo2.show.pictures import Picture, as_picture, new_figure


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("no/x.png", r"no/x\.png cannot be written, as its folder .*/no does not exist"),
        ("file/x.png", r"file/x\.png cannot be written, as its folder .*/file is no folder"),
        ("", "is a folder; the path of an output is that of a file"),
    ],
)
def test_a_path_at_which_there_can_be_no_file_is_refused(path, text, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=text):
        check_output(tmp_path / path)
    with pytest.raises(ValueError, match=text):
        Picture(b"png").save(tmp_path / path)


def test_a_picture_has_no_name_of_another_kind_of_file(tmp_path):
    """What follows a dot may be a number, and nothing need follow."""
    with pytest.raises(
        ValueError, match=r"x\.pdf would hold no \.pdf, as \.png is what is written"
    ):
        Picture(b"png").save(tmp_path / "x.pdf")
    with pytest.raises(ValueError, match=r"x\.GIF would hold .*x\.mp4 is a name for it"):
        check_output(tmp_path / "x.GIF", ".mp4")
    assert not list(tmp_path.iterdir())
    for name in ("x.png", "x.PNG", "x", "rate_0.001"):
        assert Picture(b"png").save(tmp_path / name).read_bytes() == b"png"


def test_a_drawn_picture_is_a_pdf_or_an_svg_where_its_name_says_so(tmp_path):
    figure = new_figure((2, 1))
    figure.add_subplot().plot([0, 1])
    picture = as_picture(figure)
    begins = {"x.png": b"\x89PNG", "x.pdf": b"%PDF", "x.SVG": b"<?xml", "x": b"\x89PNG"}
    for name, first in begins.items():
        assert picture.save(tmp_path / name).read_bytes().startswith(first)
    with pytest.raises(
        ValueError, match=r"no \.jpg, as \.png or \.pdf or \.svg is what is written"
    ):
        picture.save(tmp_path / "x.jpg")
    assert pickle.loads(pickle.dumps(picture)).save(tmp_path / "y.pdf").exists()


@pytest.mark.parametrize("closed", ["folder", "folder/file"])
def test_a_path_to_which_we_may_not_write_is_refused(closed, tmp_path, monkeypatch):
    """Root may write anywhere, so ``os.access`` answers as for anybody else."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / closed)
    with pytest.raises(ValueError, match=f"no permission to write to {tmp_path / closed}"):
        check_output(tmp_path / "folder" / "file")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_no_part_of_a_file_stays_and_an_older_one_does(error, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"older")
    with pytest.raises(error), whole_file(path) as unfinished:
        unfinished.write_bytes(b"half of")
        raise error
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


def test_a_disk_that_refuses_names_the_path_that_was_given(tmp_path):
    path = tmp_path / "x.png"
    with pytest.raises(OSError, match="No space left on device") as refused, whole_file(path):
        raise OSError(28, "No space left on device")
    assert refused.value.filename == str(path) and not list(tmp_path.iterdir())


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    link, file = tmp_path / "link.png", tmp_path / "file.png"
    link.symlink_to(file)
    for data in (b"first", b"second"):
        Picture(data).save(link)
        assert link.is_symlink() and file.read_bytes() == data


def test_a_device_is_written_to_and_stays_one(tmp_path):
    Picture(b"nothing of it is kept").save("/dev/null")
    assert not os.path.isfile("/dev/null") and os.path.exists("/dev/null")

from dataclasses import replace

import pytest

from synthmed.data.dataset import Row
from synthmed.data.typical import common_view, typical_spacing

ROW = Row(id="0", patient_id="a", split="train", label="", mask_source="none", source_digest="", source_height=4,
          source_width=4, scale=1.0, pad_top=0, pad_left=0, low=(0.0,), high=(1.0,))  # fmt: skip


@pytest.mark.parametrize(
    ("spacings", "typical"),
    [
        ([(0.5, 0.6), (0.7, 0.6), (9.0, 9.0)], [0.7, 0.6]),
        ([(0.5, 0.5), (0.7, 0.7)], [0.6, 0.6]),
        ([(0.5, 0.5), ()], []),
        ([()], []),
        ([], []),
    ],
)
def test_the_typical_spacing_is_the_median_where_all_say_theirs(spacings, typical):
    assert typical_spacing([replace(ROW, spacing_mm=one) for one in spacings]) == pytest.approx(typical)


@pytest.mark.parametrize(
    ("views", "common"),
    [(["L MLO", "R MLO"], "MLO"), (["L MLO", "R CC"], ""), (["axial"], "axial"), (["", "L CC"], ""), ([], "")],
)
def test_the_common_view_leaves_the_side_out(views, common):
    assert common_view([replace(ROW, view=one) for one in views]) == common

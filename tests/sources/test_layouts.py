"""Layouts of folders: which file is an image, whose mask is which, in which split; by names alone."""

import pytest

from synthmed.errors import LayoutError
from synthmed.sources.contrasts import case_and_contrast, modality_of
from synthmed.sources.layouts import arrange

PAIRS = {
    "images/{}.png": ["mask/{}.png"],
    "img/{}.png": ["labels/{}.png"],
    "images/{}.tif": ["Segmentations/{}.png"],
    "Original/{}.png": ["Ground Truth/{}.png"],
    "images/{}.bmp": ["gt/{}.png"],
    "images/{}.jpg": ["annotations/{}.png"],
    "images/{}.ppm": ["vessels/{}.png"],
    "photos/{}.png": ["1st_manual/{}_manual1.png"],
    "JPEGImages/{}.jpg": ["SegmentationClass/{}.png"],
    "images_jpg/Img ({}).jpg": ["masks_gt_png/Img ({}).png"],
    "CXR_png/{}.png": ["ManualMask/leftMask/{}.png", "ManualMask/rightMask/{}.png"],
    "train/{}.jpg": ["train_masks/{}_mask.gif"],
    "train/seg/{}.MLO.png": ["train/seg_labels/{}.MLO_LI.png"],
    "1. Original Images/a. Training Set/I_{}.jpg": [
        "2. Groundtruths/a. Training Set/1. Micro/I_{}_MA.tif",
        "2. Groundtruths/a. Training Set/2. Haem/I_{}_HE.tif",
    ],
    "imagesTr/liver_{}_0000.nii.gz": ["labelsTr/liver_{}.nii.gz"],
    "benign ({}).png": ["benign ({})_mask.png", "benign ({})_mask_1.png"],
    "{}.png": ["{}_seg.png"],
    "{}_image.png": ["{}_mask.png"],
    "eye {}.png": ["eye {}_vessels.png"],
    "{}-x.png": ["{}-x-label.png"],
    "train_{}.bmp": ["train_{}_anno.bmp"],
    "volume-{}.nii": ["segmentation-{}.nii"],
    "{}/imaging.nii.gz": ["{}/segmentation.nii.gz"],
    "IMG_{}.png": ["img_{}_Mask.png"],
    "{}/images/{}.png": ["{}/masks/cell_1.png", "{}/masks/cell_2.png"],
    "T_{}/T_{}_9.tif": ["T_{}/T_{}_9_mask.tif"],
    "{}/ct.nii.gz": ["{}/segmentations/liver.nii.gz", "{}/segmentations/spleen.nii.gz"],
    "images/{}/ct.nii.gz": ["masks/{}.nii.gz"],
    "{}/{}_Dermoscopic_Image/{}.bmp": ["{}/{}_lesion/{}_lesion.bmp"],
}


@pytest.mark.parametrize("image", PAIRS)
def test_masks_are_found_by_the_names_that_people_give_them(image):
    wanted = {
        image.replace("{}", case): [name.replace("{}", case) for name in PAIRS[image]] for case in ("7", "17", "31")
    }
    arranged = arrange(sorted({*wanted, *(mask for masks in wanted.values() for mask in masks)}))
    assert {entry.image: list(entry.masks) for entry in arranged.entries} == wanted
    assert not arranged.left_out


def test_halves_of_a_folder_declare_splits():
    names = [f"{half}/{what}/{number}.png" for half in ("train", "valid", "test") for what in ("images", "masks")
             for number in range(2)]  # fmt: skip
    entries = arrange(sorted(names)).entries
    assert {entry.image.split("/")[0]: entry.split for entry in entries} == {
        "train": "train",
        "valid": "holdout",
        "test": "test",
    }
    # Numbers begin anew in each half, so they are not one patient; a folder of a patient would be.
    assert len({entry.owner for entry in entries}) == 6
    assert {entry.masks[0] for entry in entries} == {entry.image.replace("images", "masks") for entry in entries}
    halves = arrange(["images/train/1.png", "images/val/2.png", "masks/train/1.png", "masks/val/2.png"]).entries
    assert [entry.split for entry in halves] == ["train", "test"]
    # One half alone declares nothing: there would be nothing to test on.
    assert {entry.split for entry in arrange(["train/images/1.png", "train/images/2.png"]).entries} == {""}


def test_folders_are_patients_and_classes_are_labels():
    owners = {entry.image: entry.owner for entry in arrange(["anna/1.png", "anna/2.png", "bert/1.png"]).entries}
    assert owners == {"anna/1.png": "anna", "anna/2.png": "anna", "bert/1.png": "bert"}
    classes = arrange(["benign/1.png", "benign/1_mask.png", "normal/1.png", "normal/1_mask.png"]).entries
    assert [(entry.label, entry.owner) for entry in classes] == [("benign", "benign/1"), ("normal", "normal/1")]


def test_fields_of_view_are_told_from_masks():
    names = [f"{folder}/0{n}_dr{end}" for n in (1, 2) for folder, end in
             (("images", ".jpg"), ("manual1", ".tif"), ("mask", "_mask.tif"))]  # fmt: skip
    for entry in arrange(sorted(names)).entries:
        assert entry.masks == (entry.image.replace("images", "manual1").replace("jpg", "tif"),)
        assert entry.field.startswith("mask/")


def test_of_two_observers_the_first_is_taken_and_the_other_told():
    arranged = arrange(["I_01L.jpg", "I_01L_1stHO.png", "I_01L_2ndHO.png"])
    assert [entry.masks for entry in arranged.entries] == [("I_01L_1stHO.png",)]
    assert "second observer" in arranged.left_out["I_01L_2ndHO.png"]


def test_what_belongs_to_no_image_or_to_several_is_left_out_with_its_reason():
    arranged = arrange(["a/1.png", "a/1_mask.png", "b/1.png", "b/1_mask.png", "masks/1.png", "b/9_mask.png"])
    assert len(arranged.entries) == 2
    assert "could be the mask of 2 images" in arranged.left_out["masks/1.png"]
    assert "without its image" in arranged.left_out["b/9_mask.png"]
    arranged = arrange(["images/a.png", "images/b.png", "masks/a.png", "previews/a.png"])
    assert "outside of the folder of images" in arranged.left_out["previews/a.png"]
    assert "no mask" in arranged.left_out["images/b.png"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a_mask.png", "b_mask.png"], "All 2 pictures are masks by their names, such as a_mask.png"),
        (["images/a.png", "images/b.png", "labels/x.png"], "None of the masks, such as labels/x.png"),
        (["images_new/a.png", "images_old/a.png"], "2 folders of images"),
        (
            ["1/1_flair.nii", "1/1_t1.nii", "2/2_flair.nii", "2/2_t1.nii"],
            r"\(flair, t1; 2 of them\).*images=\*flair.nii",
        ),
        (["p/CT.nii.gz", "p/PET.nii.gz"], "ct, pet"),
        (["imagesTr/a_0000.nii", "imagesTr/a_0001.nii", "imagesTr/b_0000.nii", "imagesTr/b_0001.nii"], "0000, 0001"),
    ],
)
def test_what_would_drop_masks_or_mix_contrasts_is_refused(names, words):
    with pytest.raises(LayoutError, match=words):
        arrange(names)


def test_patterns_of_the_user_go_before_names():
    names = ["p1_gland.png", "p1.png", "p2_gland.png", "p2.png", "plan.png"]
    arranged = arrange(sorted(names), masks="*_gland.png", images="p[0-9].png")
    assert [(entry.image, entry.masks) for entry in arranged.entries] == [
        ("p1.png", ("p1_gland.png",)),
        ("p2.png", ("p2_gland.png",)),
    ]
    assert "does not fit the setting images=p[0-9].png" in arranged.left_out["plan.png"]
    assert len(arrange(["seg_1.png", "seg_2.png"], images="seg_*").entries) == 2
    chosen = arrange(
        ["1/1_flair.nii", "1/1_t1.nii", "1/1_seg.nii", "2/2_flair.nii", "2/2_seg.nii"], images="*_flair.nii"
    )
    assert [entry.masks for entry in chosen.entries] == [("1/1_seg.nii",), ("2/2_seg.nii",)]


def test_masks_that_the_user_names_belong_to_the_one_image_of_their_folder():
    names = ["p/ct.nii.gz", "p/organs.nii.gz", "q/ct.nii.gz", "q/organs.nii.gz"]
    entries = arrange(names, images="*/ct.nii.gz", masks="*/organs.nii.gz").entries
    assert [entry.masks for entry in entries] == [("p/organs.nii.gz",), ("q/organs.nii.gz",)]
    assert arrange(["ct_small.nii", "seg.nii"]).entries[0].masks == ("seg.nii",)


def test_words_within_words_are_no_roles():
    names = ["masked man.png", "unlabelled.png", "segovia.png", "t0.png", "t1.png", "t2.png", "fieldwork.png"]
    assert len(arrange(sorted(names)).entries) == len(names)


def test_modality_and_contrast_are_read_from_names():
    assert [modality_of(name) for name in ("p/SUV.nii.gz", "ct/p1.nii.gz", "p1_t2w.nii", "act1.nii", "mr_ct.nii")] == [
        "PT", "CT", "MR", "", "",
    ]  # fmt: skip
    assert case_and_contrast("x/images/a_0000.png") == ("x/images/a_0000", "")

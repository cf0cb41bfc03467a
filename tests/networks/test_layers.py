"""Blur, displacement, bands: what they leave, and how far they move."""

import pytest
import torch

from synthmed.draws import ImageDraws
from synthmed.networks.layers import detail_bands, displace, frequency_bands, gaussian_blur


def drawn_by(*numbers: float) -> ImageDraws:
    return ImageDraws(torch.tensor(numbers)[:, None])


def test_a_blurred_dot_is_a_gaussian_and_a_plain_stays_plain():
    dot = torch.zeros(1, 1, 33, 33)
    dot[0, 0, 16, 16] = 1
    blurred = gaussian_blur(dot, 2.0)
    offsets = torch.arange(33.0) - 16
    torch.testing.assert_close(blurred.sum(), torch.tensor(1.0))
    torch.testing.assert_close((blurred[0, 0].sum(0) * offsets.square()).sum(), torch.tensor(4.0), rtol=0.03, atol=0)
    torch.testing.assert_close(gaussian_blur(torch.full((2, 3, 9, 9), 0.4), 1.0), torch.full((2, 3, 9, 9), 0.4))
    assert gaussian_blur(dot, 0.0) is dot


def test_a_displacement_has_the_spread_asked_for_and_is_smooth():
    ramp = torch.arange(64.0).expand(16, 1, 64, 64).contiguous()
    moved = displace(ramp, 0.5, drawn_by(*range(16))) - ramp
    inside = moved[:, 0, 4:-4, 4:-4]
    assert 0.3 < inside.std() < 0.42  # 0.5 over the whole; a border that is repeated for the blur moves furthest
    assert (inside[:, :, 1:] - inside[:, :, :-1]).abs().mean() < 0.2 * inside.std()


def test_each_image_is_displaced_by_its_own_draws():
    ramp = torch.arange(32.0).expand(2, 1, 32, 32).contiguous()
    one, other = displace(ramp, 0.5, drawn_by(0, 1))
    assert not torch.equal(one, other)
    assert torch.equal(displace(ramp[:1], 0.5, drawn_by(1))[0], other)
    assert displace(ramp, 0.0, drawn_by(0, 1)) is ramp


def mammogram(side: int = 64) -> torch.Tensor:
    """Noise whose power falls with the third power of the frequency, as a mammogram's does (Burgess et al. 2001)."""
    frequency = torch.fft.fftfreq(side)[:, None].square() + torch.fft.rfftfreq(side)[None].square()
    frequency[0, 0] = 1
    noise = torch.fft.rfft2(torch.randn(4, 1, side, side, generator=torch.Generator().manual_seed(0)))
    image = torch.fft.irfft2(noise / frequency.pow(0.75))
    return 0.3 * image / image.std()


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_bands_of_a_mammogram_are_alike_in_size_where_its_own_are_not(side):
    images = mammogram(side)
    plain, large = (frequency_bands(images, gain).std((0, 2, 3)) for gain in (1e-3, 5.0))
    assert len(plain) == 1 + detail_bands(side, side)
    assert (plain[1:] / 1e-3 < 0.4 * plain[0]).all()
    assert (large[1:] > 0.4 * large[0]).all() and (large[1:] < 2.5 * large[0]).all()


def test_bands_keep_brightness_apart_and_do_not_burst_at_an_edge():
    images = torch.full((1, 2, 64, 64), 0.3)
    bands = frequency_bands(images, 20.0)
    assert bands.shape == (1, 6, 64, 64)
    torch.testing.assert_close(bands[:, :2], images)
    torch.testing.assert_close(bands[:, 2:], torch.zeros(1, 4, 64, 64), atol=1e-4, rtol=0)
    images[..., 32:] = -1
    assert frequency_bands(images, 20.0).abs().max() <= 1
    assert [detail_bands(*size) for size in ((16, 16), (128, 64), (512, 256))] == [1, 2, 4]

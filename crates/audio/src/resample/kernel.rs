//! The arithmetic, in vectors as wide as the CPU has.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

use super::filter::{Branch, Filter, MAX_HISTORY, MAX_OUTPUTS};

/// Groups filtered at a time: 20 ms where one rate is 8 kHz, and whole blocks of every width.
pub(super) const PIECE: usize = 160;

/// Vectors summed side by side: enough not to wait for each addition, few enough for 16 registers.
const SUMS: usize = 10;

/// One of the samples of every group, history and piece.
type Lane = [f32; MAX_HISTORY + PIECE];

/// Filters the groups of `samples`, of which the first `filter.history` are history, into `out`.
///
/// `samples` are whole groups, at most [`PIECE`] beyond the history, and `out` has room for exactly what comes out.
pub(super) fn filter(filter: &Filter, samples: &[i16], out: &mut [i16]) {
    filter_at(Level::new(), filter, samples, out);
}

fn filter_at(level: Level, filter: &Filter, samples: &[i16], out: &mut [i16]) {
    dispatch!(level, simd => match filter.inputs {
        1 => run::<_, 1>(simd, filter, samples, out),
        2 => run::<_, 2>(simd, filter, samples, out),
        3 => run::<_, 3>(simd, filter, samples, out),
        _ => run::<_, 6>(simd, filter, samples, out),
    });
}

// All below must be inlined: only then does the compiler use the CPU's vectors also for the conversions.

#[inline(always)]
fn run<S: Simd, const INPUTS: usize>(simd: S, filter: &Filter, samples: &[i16], out: &mut [i16]) {
    let lanes = deinterleave::<INPUTS>(samples);
    let mut filtered = [[0; PIECE]; MAX_OUTPUTS];
    let groups = out.len() / filter.outputs;
    let block = SUMS * S::f32s::LEN;
    for (output, filtered) in filtered.iter_mut().enumerate().take(filter.outputs) {
        let branches = filter.branches(output);
        let blocks = filtered.chunks_exact_mut(block).enumerate();
        for (number, filtered) in blocks.take(groups.div_ceil(block)) {
            convolve(simd, branches, &lanes, number * block, filtered);
        }
    }
    match filter.outputs {
        1 => interleave::<1>(&filtered, out),
        2 => interleave::<2>(&filtered, out),
        3 => interleave::<3>(&filtered, out),
        _ => interleave::<6>(&filtered, out),
    }
}

/// One output of a block of groups. Every sum is made in the same order wherever its group lies, so the result does not
/// depend on how a stream was cut nor on the width of the vectors. Hence also no fused multiplication and addition.
#[inline(always)]
fn convolve<S: Simd>(
    simd: S,
    branches: &[Branch],
    lanes: &[Lane],
    start: usize,
    filtered: &mut [i16],
) {
    let width = S::f32s::LEN;
    let mut sums = [S::f32s::splat(simd, 0.0); SUMS];
    for (branch, lane) in branches.iter().zip(lanes) {
        let windows = lane[start + branch.first..].windows(SUMS * width);
        for (&tap, window) in branch.taps.iter().zip(windows) {
            for (sum, samples) in sums.iter_mut().zip(window.chunks_exact(width)) {
                *sum += S::f32s::from_slice(simd, samples) * tap;
            }
        }
    }
    let mut unrounded = [0.0; PIECE];
    for (sum, unrounded) in sums.iter().zip(unrounded.chunks_exact_mut(width)) {
        sum.store_slice(unrounded);
    }
    for (filtered, unrounded) in filtered.iter_mut().zip(unrounded) {
        *filtered = round(unrounded);
    }
}

#[inline(always)]
fn deinterleave<const INPUTS: usize>(samples: &[i16]) -> [Lane; INPUTS] {
    let mut lanes = [[0.0; MAX_HISTORY + PIECE]; INPUTS];
    let groups = samples.as_chunks::<INPUTS>().0;
    for (at, group) in groups.iter().enumerate().take(MAX_HISTORY + PIECE) {
        for (lane, &sample) in lanes.iter_mut().zip(group) {
            lane[at] = f32::from(sample);
        }
    }
    lanes
}

#[inline(always)]
fn interleave<const OUTPUTS: usize>(filtered: &[[i16; PIECE]; MAX_OUTPUTS], out: &mut [i16]) {
    let groups = out.as_chunks_mut::<OUTPUTS>().0;
    for (at, group) in groups.iter_mut().enumerate().take(PIECE) {
        for (place, filtered) in group.iter_mut().zip(filtered) {
            *place = filtered[at];
        }
    }
}

/// To the nearest sample, within the scale.
#[inline(always)]
fn round(unrounded: f32) -> i16 {
    /// From here to 2^24 the numbers are whole ones, and the lowest bits of them count in two's complement.
    const WHOLE: f32 = 12_582_912.0; // 1.5 × 2^23
    (unrounded.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) + WHOLE).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SampleRate;

    #[test]
    fn rounding_is_to_the_nearest_within_the_scale() {
        for (unrounded, rounded) in [
            (0.0, 0),
            (-0.0, 0),
            (0.49, 0),
            (-0.49, 0),
            (0.51, 1),
            (-0.51, -1),
            (-1.0, -1),
            (1_000.4, 1_000),
            (-1_000.6, -1_001),
            (32_766.6, 32_767),
            (-32_767.6, -32_768),
            (32_767.6, 32_767),
            (-32_768.6, -32_768),
            (1e30, 32_767),
            (-1e30, -32_768),
        ] {
            assert_eq!(round(unrounded), rounded, "{unrounded}");
        }
    }

    #[test]
    fn wide_vectors_give_what_narrow_ones_do() {
        let noise: Vec<i16> = (0..(MAX_HISTORY + PIECE) * 6)
            .scan(1_u32, |state, _| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Some((*state >> 16) as i16)
            })
            .collect();
        let rates = [8_000, 16_000, 24_000, 48_000].map(|hz| SampleRate::new(hz).unwrap());
        for from in rates {
            for to in rates.into_iter().filter(|to| *to != from) {
                let filter = Filter::between(from, to).unwrap();
                let samples = &noise[..(filter.history + PIECE) * filter.inputs];
                let mut wide = vec![0; PIECE * filter.outputs];
                let mut narrow = wide.clone();
                filter_at(Level::new(), filter, samples, &mut wide);
                filter_at(Level::baseline(), filter, samples, &mut narrow);
                assert_eq!(wide, narrow, "{from} to {to}");
                assert_ne!(wide, vec![0; wide.len()]);
            }
        }
    }
}

//! The filters, one per ratio of rates, made once and shared by all streams.

use std::f64::consts::PI;
use std::sync::OnceLock;

use crate::format::SampleRate;

/// Half a filter's length, in samples of the slower rate: how much it delays.
pub(super) const HALF_LENGTH: usize = 20;

/// The most that any filter has of [`Filter::history`].
pub(super) const MAX_HISTORY: usize = 2 * HALF_LENGTH;

/// The most that any filter has of [`Filter::inputs`].
pub(super) const MAX_INPUTS: usize = 6;

/// The most that any filter has of [`Filter::outputs`].
pub(super) const MAX_OUTPUTS: usize = 6;

/// The stop band's attenuation that the window is shaped for, in dB.
///
/// With the length it makes the transition 1.17 kHz wide when the slower rate is 8 kHz: from 3.4 to 4.6 kHz, so that
/// what telephones carry is kept and what would fold onto it is not.
const ATTENUATION: f64 = 92.0;

/// The rates that are converted, each to each.
const RATES: [SampleRate; 4] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
    SampleRate::HZ_48000,
];

/// Samples out and in, in lowest terms, of every pair of different rates.
const RATIOS: [(usize, usize); 8] = [
    (2, 1),
    (3, 1),
    (6, 1),
    (3, 2),
    (1, 2),
    (1, 3),
    (1, 6),
    (2, 3),
];

/// A low-pass filter for one ratio: every group of `inputs` samples becomes a group of `outputs` samples.
///
/// The input is taken apart into `inputs` lanes, lane m having the m-th sample of every group. Every output of a group
/// is then a sum of plain convolutions, one for each lane, and those of many groups can be computed side by side.
#[derive(Debug)]
pub(super) struct Filter {
    /// Samples in a group of the input.
    pub(super) inputs: usize,
    /// Samples in a group of the output.
    pub(super) outputs: usize,
    /// Groups of input before the current one that reach its output.
    pub(super) history: usize,
    /// `outputs` times `inputs`, output by output.
    branches: Vec<Branch>,
}

impl Filter {
    /// The filter between two different rates; `None` if there is none.
    pub(super) fn between(from: SampleRate, to: SampleRate) -> Option<&'static Self> {
        static FILTERS: [OnceLock<Filter>; RATIOS.len()] = [const { OnceLock::new() }; _];
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return None;
        }
        let index = RATIOS.iter().position(|&(outputs, inputs)| {
            from.hz() as usize * outputs == to.hz() as usize * inputs
        })?;
        let (outputs, inputs) = RATIOS[index];
        Some(FILTERS[index].get_or_init(|| Self::new(outputs, inputs)))
    }

    /// What every lane contributes to one output of a group, lane by lane.
    pub(super) fn branches(&self, output: usize) -> &[Branch] {
        &self.branches[output * self.inputs..][..self.inputs]
    }

    /// A sinc with its first zeros at half the slower rate, under a Kaiser window, at the least common multiple of both
    /// rates.
    fn new(outputs: usize, inputs: usize) -> Self {
        let (period, step) = (outputs.max(inputs), outputs * inputs);
        let half = HALF_LENGTH * period;
        let history = 2 * half / step;
        let mut branches = Vec::with_capacity(step);
        for output in 0..outputs {
            let lanes: Vec<Vec<f64>> = (0..inputs)
                .map(|lane| {
                    // From the oldest group to the current one.
                    (0..=history)
                        .rev()
                        .map(|age| {
                            let distance = (age * step + output * inputs + half) as i64
                                - (lane * outputs + 2 * half) as i64;
                            windowed_sinc(distance, period as i64)
                        })
                        .collect()
                })
                .collect();
            // So that a constant comes out as the same constant at every output of the group.
            let sum: f64 = lanes.iter().flatten().sum();
            branches.extend(lanes.iter().map(|lane| Branch::new(lane, sum)));
        }
        Self {
            inputs,
            outputs,
            history,
            branches,
        }
    }
}

/// A convolution of one lane.
#[derive(Debug)]
pub(super) struct Branch {
    /// Groups between the oldest of the history and the first that counts.
    pub(super) first: usize,
    /// The factors, none at all if the lane does not count. A filter whose zeros fall on the samples leaves one.
    pub(super) taps: Vec<f32>,
}

impl Branch {
    fn new(factors: &[f64], sum: f64) -> Self {
        let counts = |factor: &f64| *factor != 0.0;
        let first = factors.iter().position(counts).unwrap_or(0);
        let end = factors.iter().rposition(counts).map_or(0, |last| last + 1);
        Self {
            first,
            taps: factors[first..end]
                .iter()
                .map(|factor| (factor / sum) as f32)
                .collect(),
        }
    }
}

/// The factor at a distance from the middle, where `period` is the distance between two zeros.
fn windowed_sinc(distance: i64, period: i64) -> f64 {
    let half = HALF_LENGTH as i64 * period;
    if distance == 0 {
        return 1.0;
    }
    // Exactly zero where rounding would leave a little, so that the tap can be left out.
    if distance % period == 0 || distance.abs() > half {
        return 0.0;
    }
    let angle = PI * distance as f64 / period as f64;
    let position = distance as f64 / half as f64;
    let beta = 0.1102 * (ATTENUATION - 8.7);
    angle.sin() / angle * bessel_i0(beta * (1.0 - position * position).sqrt()) / bessel_i0(beta)
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter_square = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    let mut n = 1.0;
    while term > sum * f64::EPSILON {
        term *= quarter_square / (n * n);
        sum += term;
        n += 1.0;
    }
    sum
}

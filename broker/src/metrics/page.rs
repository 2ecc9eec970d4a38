//! Writes the page, one family of series after the other.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::Histogram;

/// The name of a family, its unit included, and what it means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

/// A [`Family`].
pub(super) const fn family(name: &'static str, help: &'static str) -> Family {
    Family { name, help }
}

/// The labels of one series.
type Labels<'l, const N: usize> = [(&'static str, &'l str); N];

/// The page as far as it is written.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, family: Family, value: impl EncodeGaugeValue) -> fmt::Result {
        self.begin(family, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A number that only grows.
    pub(super) fn counter(&mut self, family: Family, value: impl EncodeCounterValue) -> fmt::Result {
        self.begin(family, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// One gauge for each set of labels.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        family: Family,
        series: impl Iterator<Item = (Labels<'l, N>, i64)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Gauge)?;
        for (labels, value) in series {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// One counter for each set of labels.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        family: Family,
        series: impl Iterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Counter)?;
        for (labels, value) in series {
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Durations or sizes.
    pub(super) fn histogram(&mut self, family: Family, histogram: &Histogram) -> fmt::Result {
        histogram.write(&mut self.begin(family, MetricType::Histogram)?)
    }

    /// One histogram for each set of labels.
    pub(super) fn histograms<'l, const N: usize>(
        &mut self,
        family: Family,
        series: impl Iterator<Item = (Labels<'l, N>, &'l Histogram)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(family, MetricType::Histogram)?;
        for (labels, histogram) in series {
            histogram.write(&mut encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn begin(&mut self, family: Family, kind: MetricType) -> Result<MetricEncoder<'_>, fmt::Error> {
        let (name, unit) = split(family.name);
        self.0.encode_descriptor(name, family.help, unit, kind)
    }
}

/// The name without its unit, and the unit, which the page names by itself too.
fn split(name: &'static str) -> (&'static str, Option<&'static Unit>) {
    let unit = |suffix: &str, unit: &'static Unit| name.strip_suffix(suffix).map(|name| (name, Some(unit)));
    unit("_seconds", &Unit::Seconds).or_else(|| unit("_bytes", &Unit::Bytes)).unwrap_or((name, None))
}

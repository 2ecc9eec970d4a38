//! Puts the records of a batch into another codec, as a topic's `compression.type` prescribes.
//!
//! The block streams from one codec to the other, so that neither what a small batch inflates to nor what becomes of it
//! takes more memory than a batch of the topic may have. The records themselves stay byte for byte.

use std::io::{self, Write};

use super::{Attributes, BATCH_HEADER_BYTES, BatchError, BatchHeader, Compression, RecordBatch};

/// The codec of stored batches and its effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetCompression {
    /// The codec.
    pub codec: Compression,
    /// By the codec's own measure; `None` for its usual one. Only gzip and zstd have one.
    pub level: Option<i32>,
}

/// The batch in another codec, whatever it had before. Its records must have been validated.
///
/// # Errors
/// `Compressed` as [`RecordBatch::records`]; `Oversized` where it would be larger than `bytes_max`.
pub(super) fn recompress(
    batch: &RecordBatch,
    target: TargetCompression,
    bytes_max: usize,
) -> Result<RecordBatch, BatchError> {
    let header = batch.header();
    let source = header.attributes.compression()?;
    let mut block = source.reader(batch.payload())?;
    let mut out = Bounded { bytes: Vec::new(), room: bytes_max.saturating_sub(BATCH_HEADER_BYTES) };
    if let Err(error) = target.codec.encode(target.level, &mut block, &mut out) {
        return Err(if error.kind() == io::ErrorKind::FileTooLarge {
            BatchError::Oversized { bytes_max }
        } else {
            source.broken(&error)
        });
    }
    let flags = header.attributes.0 & !Attributes::COMPRESSION | target.codec as i16;
    Ok(RecordBatch::with_block(&BatchHeader { attributes: Attributes(flags), ..*header }, &out.bytes))
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.room {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, NewRecord};
    use super::*;
    use crate::ids::{ProducerEpoch, ProducerId, Timestamp};

    const CODECS: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    fn mk_batch(codec: Compression, value: &[u8]) -> RecordBatch {
        let producer = (ProducerId(7), ProducerEpoch(2));
        let mut builder = BatchBuilder::default().compression(codec).producer(producer.0, producer.1, 40);
        let headers = [("h", None), ("h", Some(&b"v"[..]))];
        for index in 0..3 {
            let timestamp = Timestamp(1_000 - index);
            builder.push(NewRecord { timestamp, key: Some(b"k"), value: Some(value), headers: &headers });
        }
        builder.build()
    }

    #[test]
    fn every_codec_becomes_every_other() {
        let value: Vec<u8> = (0..30_000_u32).map(|index| (index % 251) as u8).collect();
        for (source, target) in CODECS.iter().flat_map(|source| CODECS.map(|target| (*source, target))) {
            let batch = mk_batch(source, &value);
            let target = TargetCompression { codec: target, level: None };
            let recompressed = recompress(&batch, target, 1_000_000).unwrap();
            recompressed.check_crc().unwrap();
            let header = recompressed.header();
            assert_eq!(header.attributes.compression(), Ok(target.codec));
            assert_eq!(header.size_bytes(), recompressed.size_bytes());
            let rest = |header: &BatchHeader| BatchHeader {
                attributes: Attributes(0),
                batch_length: 0,
                crc: 0,
                ..*header
            };
            assert_eq!(rest(header), rest(batch.header()));
            let records =
                |batch: &RecordBatch| -> Vec<_> { batch.records().unwrap().map(Result::unwrap).collect() };
            assert_eq!(records(&recompressed), records(&batch));
        }
    }

    #[test]
    fn levels_make_a_difference() {
        let value: Vec<u8> = (0..30_000_u32).map(|index| (index.wrapping_mul(index) >> 7) as u8).collect();
        let batch = mk_batch(Compression::None, &value);
        for (codec, low, high) in [(Compression::Gzip, 1, 9), (Compression::Zstd, -50, 15)] {
            let size = |level| {
                let target = TargetCompression { codec, level: Some(level) };
                recompress(&batch, target, 10_000_000).unwrap().size_bytes()
            };
            assert!(size(low) > size(high), "{codec:?}");
        }
    }

    #[test]
    fn batch_that_would_be_too_large_is_refused_before_it_is_there() {
        let batch = mk_batch(Compression::Zstd, &vec![0; 300_000]);
        let bytes_max = 10_000;
        assert!(batch.size_bytes() < bytes_max);
        let plain = TargetCompression { codec: Compression::None, level: None };
        assert_eq!(recompress(&batch, plain, bytes_max), Err(BatchError::Oversized { bytes_max }));
        let gzip = TargetCompression { codec: Compression::Gzip, level: Some(9) };
        assert!(recompress(&batch, gzip, 100_000).is_ok());
    }
}

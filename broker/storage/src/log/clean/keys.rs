//! Where each key was written last: an open hash table of bounded size, as `SkimpyOffsetMap` of Apache Kafka.
//!
//! Keys are not kept, only 128 bits of a hash that is keyed anew for every table. Two keys that collide would cost the
//! older one its record; with a hundred million keys that happens once in 10^22 cleanings, and nobody can choose keys
//! that collide.

use std::hash::{BuildHasher, RandomState};

use milena_protocol::Offset;

/// Bytes of an entry: 16 of the hash, 8 of the offset.
const ENTRY_BYTES: u64 = 24;

/// The last offset of each key.
#[derive(Debug)]
pub(super) struct KeyTable {
    hashers: [RandomState; 2],
    /// Hash of the key, and its offset plus one; zero is an empty entry, which the allocator provides for free.
    entries: Vec<([u64; 2], u64)>,
    len: usize,
    len_max: usize,
}

impl KeyTable {
    /// For at most `records` keys, in at most `bytes_max` bytes of which the share `load_factor` may be in use.
    pub(super) fn new(records: u64, bytes_max: u64, load_factor: f64) -> Self {
        let load_factor = load_factor.clamp(0.1, 0.95);
        let wanted = records as f64 / load_factor;
        let count = (bytes_max / ENTRY_BYTES).min(wanted as u64 + 2).max(2);
        let count = usize::try_from(count).unwrap_or(usize::MAX / ENTRY_BYTES as usize);
        let len_max = ((count as f64 * load_factor) as usize).clamp(1, count - 1);
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            entries: vec![([0; 2], 0); count],
            len: 0,
            len_max,
        }
    }

    /// Notes that `key` is at `offset`, which is higher than any before. False where there is no room.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let (index, hash) = self.find(key);
        let Some(entry) = self.entries.get_mut(index) else { return false };
        if entry.1 == 0 {
            if self.len >= self.len_max {
                return false;
            }
            self.len += 1;
        }
        *entry = (hash, offset.0.cast_unsigned() + 1);
        true
    }

    /// The last offset of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let (index, _) = self.find(key);
        self.entries.get(index).filter(|entry| entry.1 != 0).map(|entry| Offset((entry.1 - 1).cast_signed()))
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The entry of `key`, or the one it would take. There is always an empty one to end at.
    fn find(&self, key: &[u8]) -> (usize, [u64; 2]) {
        let hash = [self.hashers[0].hash_one(key), self.hashers[1].hash_one(key)];
        let mut index = (hash[0] % self.entries.len() as u64) as usize;
        while let Some((found, offset)) = self.entries.get(index)
            && *offset != 0
            && *found != hash
        {
            index = (index + 1) % self.entries.len();
        }
        (index, hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_offset_of_every_key_is_found() {
        let mut table = KeyTable::new(1_000, 1 << 20, 0.9);
        for offset in 0..3_000_i64 {
            assert!(table.put(&(offset % 1_000).to_be_bytes(), Offset(offset)));
        }
        assert_eq!(table.len(), 1_000);
        for key in 0..1_000_i64 {
            assert_eq!(table.get(&key.to_be_bytes()), Some(Offset(2_000 + key)));
        }
        assert_eq!(table.get(b"unknown"), None);
    }

    #[test]
    fn full_table_takes_known_keys_only() {
        let mut table = KeyTable::new(1_000_000, 100 * ENTRY_BYTES, 0.9);
        let taken = (0..200_i64).take_while(|key| table.put(&key.to_be_bytes(), Offset(*key))).count();
        assert_eq!(taken, 90);
        assert!(table.put(&5_i64.to_be_bytes(), Offset(900)));
        assert_eq!(table.get(&5_i64.to_be_bytes()), Some(Offset(900)));
        assert_eq!(table.get(&150_i64.to_be_bytes()), None);
    }
}

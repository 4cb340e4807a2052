//! The test vectors of spec/statistics.md 14, as a segment.

use visulate::wire::encode::{Header, SegmentWriter, Value};

/// One line of the table of test vectors: seconds, ttms, chi, crc, pssc, psql, cqhm, cquc, phr, shn, psct.
pub type Vector =
    (i64, i64, &'static str, char, i64, i64, &'static str, &'static str, char, &'static str, &'static str);

#[rustfmt::skip]
pub const VECTORS: [Vector; 10] = [
    (0, 2, "10.0.0.1", '.', 200, 1000, "GET", "http://www.example.com/a.jpg", '1', "-", "image/jpeg"),
    (0, 3, "10.0.0.1", '1', 200, 2000, "GET", "http://www.example.com/a.jpg?x=1", '1', "-", "image/jpeg"),
    (1, 120, "10.0.0.2", '3', 200, 4000, "GET", "http://cdn.example.co.uk/v.ts", '2', "cdn.example.co.uk", "video/mp2t"),
    (1, 60, "10.0.0.2", '5', 200, 1000, "GET", "http://www.example.com/a.jpg", '2', "www.example.com", "image/jpeg"),
    (2, 80, "10.0.0.3", '7', 200, 3000, "GET", "http://www.example.com/i.html", '7', "parent1", "text/html"),
    (2, 1, "10.0.0.3", '9', 304, 200, "GET", "http://www.example.com/i.html", '1', "-", "-"),
    (3, 5000, "10.0.0.4", 'u', 502, 300, "GET", "http://bad.example.net/", '2', "bad.example.net", "text/html"),
    (3, 10, "2001:db8::1", 't', 0, 0, "GET", "http://www.example.com/big.zip", '1', "-", "-"),
    (4, 90, "10.0.0.4", '6', 200, 500, "GET", "http://old.example.net/x", '2', "old.example.net", "text/css"),
    (4, 0, "10.0.0.1", 'c', 403, 400, "POST", "http://www.example.com/form", '1', "-", "text/html"),
];

/// Their segment; second 0 is at `start` (Unix seconds).
pub fn segment(vectors: &[Vector], start: i64) -> Vec<u8> {
    let header = Header {
        field_list: b"ttms,chi,crc,pssc,psql,cqhm,cquc,phr,shn,psct",
        source_host: b"edge",
        ..Header::default()
    };
    let mut writer = SegmentWriter::with_capacity(&header, start as u32, 1 << 16);
    for &(t, ttms, chi, crc, pssc, psql, cqhm, cquc, phr, shn, psct) in vectors {
        let values = [
            Value::Int(ttms),
            Value::Ip(Some(chi.parse().unwrap())),
            Value::Int(crc as i64),
            Value::Int(pssc),
            Value::Int(psql),
            Value::Text(cqhm.as_bytes()),
            Value::Text(cquc.as_bytes()),
            Value::Int(phr as i64),
            Value::Text(shn.as_bytes()),
            Value::Text(psct.as_bytes()),
        ];
        writer.push(start + t, 0, &values).unwrap();
    }
    writer.finish(start as u32 + 4).to_vec()
}

/** What the collector asks of a single thing: who refers to it, which lease holds it. */
export const sql = `
CREATE INDEX reference_digest ON reference (digest) WHERE digest IS NOT NULL;
CREATE INDEX image_manifest_digest ON image_manifest (digest);
CREATE INDEX packed_source_digest ON packed_source (digest);
CREATE INDEX lease_hold_key ON lease_hold (kind, key);
`;

-- One row for each view: what it is, and what it is true at.
CREATE TABLE allied.allied_views (
	projection  text COLLATE "C" NOT NULL,
	partition   integer NOT NULL,
	fingerprint text    NOT NULL,
	tables      text    NOT NULL,
	log_id      uuid    NOT NULL,
	position    bigint  NOT NULL CHECK (position >= 0),
	ordinal     bigint  NOT NULL CHECK (ordinal >= 0),
	PRIMARY KEY (projection, partition)
);

-- Readers lock this table, and whoever drops tables locks them out: a snapshot does not protect from tables that are dropped and made again.
-- It is small and changes with every commit, so that room for the new row beside the old one saves the index work.
ALTER TABLE allied.allied_views SET (fillfactor = 50);

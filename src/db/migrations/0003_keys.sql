-- What a key may be restricted to besides models, and the secret that it had before its last rotation.

alter table api_keys
  add column providers text[],
  add column ip_allow text[],
  -- A list of {"glob": ..., "nano": "..."}: what one call of such a model may cost at most.
  add column model_caps jsonb,
  add column tpm integer,
  add column previous_hash text unique,
  add column previous_expires_at timestamptz;

-- How routing decided on a call: the order of its endpoints, and why others were left out. Null where there was nothing to decide.
alter table requests add column routing jsonb;

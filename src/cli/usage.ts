/**
 * How to use the CLI, and the error for using it otherwise.
 * Printed by `main.ts`.
 */

/** The command line makes no sense, or its request was refused. The message is for the terminal. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const USAGE = `sluice: an AI model gateway that you run yourself

  sluice serve                          start the gateway (npm start does the same)
  sluice keys create --name NAME        create an API key and print it
       [--workspace ID] [--provisioning] and restrictions:
       [--models GLOB,GLOB] [--providers GLOB,GLOB] [--ip ADDRESS,RANGE]
       [--limit DOLLARS] [--limit-reset daily|weekly|monthly] [--cap GLOB=DOLLARS]...
       [--rpm N] [--rpd N] [--tpm N] [--expires DATE]
  sluice keys list                      list keys: hash, label, state, use, name
  sluice keys show HASH                 show a key (the first characters of its hash do)
  sluice keys change HASH               change its name or restrictions, which "none" takes away
       [--name NAME] [--disable | --enable] [restrictions as above]
  sluice keys rotate HASH               give a key a new secret and print it; the old one works for a day more
       [--grace SECONDS]
  sluice keys revoke HASH               revoke a key
  sluice credits grant                  give a workspace credit; an amount below zero (--amount=-5) takes it back
       --workspace ID --amount DOLLARS --reason TEXT [--expires DATE|DAYS] [--idempotency-key KEY]
  sluice models [--json]                list the models that this configuration offers
  sluice prices diff                    compare the prices in force with published ones
       [--only GLOB]... [--at DATE] [--json]
  sluice prices apply                   put published prices in force; suspicious ones only where --only names them
       [--only GLOB]... [--yes]
  sluice prices reset --only GLOB...    take accepted prices back
  sluice simulate --port 9100 [--journal FILE]
                                        run the simulated provider on its own

Settings come from sluice.yaml and the environment: see docs/config.md.
`;

/**
 * Tells the compiler that importing an SQL file gives its text.
 * Only the list of migrations beside it imports such files.
 */
declare module "*.sql" {
  const text: string;
  export = text;
}

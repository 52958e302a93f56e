/** Sentences that depend on a number, by the plural rules of their language. */

/** `#` stands for the number. Languages with more forms give them by name: `few` for Romanian. */
export function count(language: string) {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (value: number, one: string, other: string, few = other): string => {
    const form = rules.select(value);
    return (form === 'one' ? one : form === 'few' ? few : other).replaceAll('#', numbers.format(value));
  };
}

/** What a text is found by: the same whatever the engine, and never much work. */
import { describe, expect, it } from 'vitest';
import { foldText, lookUpsOf, termsOf, unitsOf } from '../../src/search/analyser.ts';
import { findPlaces, holds, parseWords } from '../../src/search/query.ts';
import { snippetOf } from '../../src/search/snippet.ts';
import { randomFrom } from '../promises/kit.ts';

const marked = (text: string, query: string): string =>
  snippetOf(text, parseWords(query))
    .map(({ text: part, hit }) => (hit ? `[${part}]` : part))
    .join('');

describe('a text is folded', () => {
  it.each([
    ['Crème BRÛLÉE, Ångström', 'creme brulee, angstrom'],
    ['İstanbul ıspanak Straße ﬁne', 'istanbul ispanak strasse fine'],
    ['ΟΔΥΣΣΕΎΣ Ёлка Йод', 'οδυσσευσ елка иод'],
    ['ｶﾞ が カ\u3099 Ｔｏｋｙｏ １２', 'ガ が ガ tokyo 12'],
    ['so\u00adft zero\u200bwidth', 'soft zerowidth'],
    ['e\u0301te\u0301 हिन्दी العَرَبِيَّة', 'ete हिन्दी العَرَبِيَّة'],
  ])('%s', (text, folded) => expect(foldText(text)).toBe(folded));
});

describe('its terms', () => {
  it.each([
    ['are its words', 'Shall we, 7 of us, meet@home?', 'shall we 7 of us meet home'],
    ['are pairs of neighbours in scripts without spaces, and the last character', '東京タワー', '東京 京タ タワ ワー ー'],
    ['are both where both stand together', 'iPhone手机', 'iphone 手机 机'],
    ['are of Hangul, Thai, Lao, Khmer and Myanmar, too', '한국말 ขคง', '한국 국말 말 ขค คง ง'],
    ['keep marks that make another letter', 'がか', 'がか か'],
    ['are none of signs and pictures', '?! … 👍🏽 — «»', ''],
  ])('%s', (_what, text, terms) => expect([...termsOf(text)].join(' ')).toBe(terms));

  it('name every text that has what is looked for', () => {
    const random = randomFrom(11);
    // Something of everything, where it is hard.
    const characters = [...'aAßéİıΣςйΩ1٣ क्षि가각각日本ｶﾞがーกิํ\u0301\u0323\u200d\u00adﬁﷺ…-"\u{20000}\u{1f44d}\u{1d400}'];
    const texts = Array.from({ length: 2_000 }, () => Array.from({ length: 1 + Math.floor(random() * 12) }, () => characters[Math.floor(random() * characters.length)]).join(''));
    for (const text of texts) {
      const terms = [...termsOf(text)];
      for (const unit of unitsOf(foldText(text)))
        for (const { term, isPrefix } of lookUpsOf(unit))
          expect([text, term, terms.some((each) => (isPrefix ? each.startsWith(term) : each === term))]).toEqual([text, term, true]);
      // Of FTS5's and PostgreSQL's languages no term can say anything.
      expect([text, terms.filter((term) => !/^[\p{L}\p{M}\p{N}]+$/u.test(term))]).toEqual([text, []]);
      const parts = snippetOf(text, { all: [[...unitsOf(foldText(text))].slice(0, 1)].filter(({ length }) => length > 0), none: [] });
      expect([text, text.startsWith(parts.map((part) => part.text).join(''))]).toEqual([text, true]);
    }
  });

  it('take time that grows with the text alone', () => {
    const texts = [
      'a\u0301\u0323'.repeat(20_000),
      `a${'\u0301\u0323'.repeat(20_000)}`,
      '\ufdfa'.repeat(10_000),
      '漢字仮名'.repeat(5_000),
      'x'.repeat(500_000),
      '\uff9e\u0345'.repeat(20_000),
    ];
    for (const text of texts) {
      const before = process.cpuUsage();
      termsOf(text);
      const { user } = process.cpuUsage(before);
      expect([text.slice(0, 4), user / 1_000 < 500]).toEqual([text.slice(0, 4), true]);
    }
  });
});

describe('what is looked for', () => {
  it.each<[query: string, text: string, found: boolean]>([
    ['wor hel', 'Hello, WORLD', true],
    ['orld', 'Hello, world', false],
    ['京タ', '新東京タワー', true],
    ['京ワ', '新東京タワー', false],
    ['"hello wor"', 'well, hello world', true],
    ['"hell world"', 'hello world', false],
    ['"京タワー は"', '東京タワー は高い', true],
    ['“hello world”', 'hello - world', true],
    ['hello -world', 'hello world', false],
    ['hello -wor', 'hello work', false],
    ['hello -"big world"', 'hello world, big', true],
    ['foo-bar', 'bar of foo', true],
    ['say "hello', 'hello, she did say', true],
    ['AND OR NOT NEAR', 'and or not near', true],
    ["it's", 'it is s', true],
  ])('%s in %s: %s', (query, text, found) => expect(holds(text, parseWords(query))).toBe(found));

  it.each(['-hello', '-"a b" -c', 'a b c d e f g h i j k', 'x'.repeat(201), `"${'a '.repeat(11)}"`])('is refused: %s', (query) => expect(() => parseWords(query)).toThrow());
  it('has at most 200 characters and ten words', () => {
    expect(parseWords('😀'.repeat(199)).all).toEqual([]);
    expect(parseWords('a b c d e f g h i j').all).toHaveLength(10);
    expect(findPlaces(foldText('aa a aa'), parseWords('a aa'))).toEqual([
      [0, 2],
      [3, 4],
      [5, 7],
    ]);
  });
});

describe('a snippet', () => {
  it.each([
    ['Die Straße, die STRASSEN', 'stras', 'Die [Straß]e, die [STRAS]SEN'],
    ['at 東京タワー', 'タワ', 'at 東京[タワ]ー'],
    ['ｶﾞｷﾞ', 'ガ', '[ｶﾞ]ｷﾞ'],
    ['café! no caf\u00e9s', 'cafe', '[café]! no [cafés]'.replace('[cafés]', '[café]s')],
    ['so\u00adftly', 'soft', '[so\u00adft]ly'],
    ['nothing of it', '', 'nothing of it'],
  ])('of %s', (text, query, expected) => expect(marked(text, query)).toBe(expected));

  it('has at most 200 characters, whole ones, around the first place', () => {
    const long = `${'много слов 😀 '.repeat(100)}here ${'и ещё 😀 '.repeat(100)}`;
    const parts = snippetOf(long, parseWords('here'));
    const text = parts.map((part) => part.text).join('');
    expect(text.length).toBeLessThanOrEqual(200);
    expect([text.isWellFormed(), long.includes(text), parts.filter(({ hit }) => hit)]).toEqual([true, true, [{ text: 'here', hit: true }]]);
    expect(snippetOf('x'.repeat(4_000), parseWords('x'.repeat(200)))).toEqual([{ text: 'x'.repeat(200), hit: true }]);
  });
});

/** How the page looks and which language it speaks, in this browser. */
import { useId, useState } from 'preact/hooks';
import { FormError } from '../../parts/fields.tsx';
import { choose, type Language, language, languages, texts } from '../../texts/texts.ts';
import { chooseTheme, type Theme, theme, themes } from '../../theme.ts';
import { Part } from './part.tsx';

export function Look() {
  const { you, problems } = texts.value;
  const [id, other] = [useId(), useId()];
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <Part title={you.look}>
      <div class="stack">
        <div class="two">
          <div class="field">
            <label for={id}>{you.language}</label>
            <select
              class="input"
              id={id}
              value={language.value}
              onChange={({ currentTarget: { value } }) =>
                void choose(value as Language).then(
                  () => setProblem(null),
                  () => setProblem(problems.offline),
                )
              }
            >
              {Object.entries(languages).map(([tag, name]) => (
                <option key={tag} value={tag} lang={tag}>
                  {name}
                </option>
              ))}
            </select>
          </div>
          <div class="field">
            <label for={other}>{you.theme}</label>
            <select class="input" id={other} value={theme.value} onChange={({ currentTarget: { value } }) => chooseTheme(value as Theme)}>
              {themes.map((each) => (
                <option key={each} value={each}>
                  {you.themes[each]}
                </option>
              ))}
            </select>
          </div>
        </div>
        <FormError>{problem}</FormError>
      </div>
    </Part>
  );
}

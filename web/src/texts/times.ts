/** Times, days and sizes as the reader's region writes them. */
import { computed } from '@preact/signals';
import { locale, texts } from './texts.ts';

const formats = computed(() => {
  const of = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => new Intl.DateTimeFormat(locale.value, options);
  return {
    time: of({ hour: '2-digit', minute: '2-digit' }),
    weekday: of({ weekday: 'short' }),
    dayMonth: of({ day: 'numeric', month: 'short' }),
    date: of({ day: 'numeric', month: 'short', year: 'numeric' }),
    longDay: of({ weekday: 'long', day: 'numeric', month: 'long' }),
    longDate: of({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    whole: of({ dateStyle: 'full', timeStyle: 'short' }),
    relative: new Intl.RelativeTimeFormat(locale.value, { numeric: 'auto' }),
    bytes: ['byte', 'kilobyte', 'megabyte', 'gigabyte'].map(
      (unit) => new Intl.NumberFormat(locale.value, { style: 'unit', unit, unitDisplay: unit === 'byte' ? 'long' : 'short', maximumFractionDigits: 1 }),
    ),
    percent: new Intl.NumberFormat(locale.value, { style: 'percent' }),
    number: new Intl.NumberFormat(locale.value),
  };
});

export const timeOf = (at: string | Date): string => formats.value.time.format(new Date(at));
/** All of it, for a title. */
export const wholeTimeOf = (at: string | Date): string => formats.value.whole.format(new Date(at));
export const numberOf = (value: number): string => formats.value.number.format(value);

/** 0.62 is "62 %". */
export const percentOf = (part: number): string => formats.value.percent.format(part);

/** Which day it is here: the number of days since 1970. */
export function dayOf(at: string | Date): number {
  const date = new Date(at);
  return Math.floor((date.getTime() - date.getTimezoneOffset() * 60_000) / 86_400_000);
}

/** In lists: the time today, the weekday in the last week, the date before. */
export function shortTimeOf(at: string, now = new Date()): string {
  const days = dayOf(now) - dayOf(at);
  const { time, weekday, dayMonth, date } = formats.value;
  const format = days <= 0 ? time : days < 7 ? weekday : new Date(at).getFullYear() === now.getFullYear() ? dayMonth : date;
  return format.format(new Date(at));
}

/** The heading of a day. */
export function dayNameOf(at: string, now = new Date()): string {
  const days = dayOf(now) - dayOf(at);
  if (days === 0) return texts.value.chat.today;
  if (days === 1) return texts.value.chat.yesterday;
  return (new Date(at).getFullYear() === now.getFullYear() ? formats.value.longDay : formats.value.longDate).format(new Date(at));
}

/** "20 minutes ago", "yesterday". */
export function agoOf(at: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  const { relative } = formats.value;
  if (seconds > -60) return relative.format(0, 'minute');
  if (seconds > -3_600) return relative.format(Math.round(seconds / 60), 'minute');
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3_600), 'hour');
  return relative.format(Math.round(seconds / 86_400), 'day');
}

export function sizeOf(bytes: number): string {
  const power = bytes < 1_000 ? 0 : bytes < 1_000_000 ? 1 : bytes < 1_000_000_000 ? 2 : 3;
  return formats.value.bytes[power]?.format(bytes / 1_000 ** power) ?? String(bytes);
}

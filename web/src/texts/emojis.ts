/** The emojis one can react with, by groups, each with the names it is found by: English | German | Italian | Romanian. The first name of a language is the one that is read out. */
import type { Language } from './texts.ts';

export type Emoji = { emoji: string; name: string; words: string };
export type EmojiGroup = { name: string; emojis: readonly Emoji[] };

/** A line with `#` begins a group. */
const table = `
# Faces | Gesichter | Facce | Fețe
😀 grinning, happy | Grinsen, froh | sorriso, felice | zâmbet, fericit
😄 laughing, glad | Lachen, Freude | risata, contento | râs, bucuros
😂 tears of joy, funny | Freudentränen, lustig | lacrime di gioia, ridere | lacrimi de râs, amuzant
🤣 rolling on the floor, funny | am Boden vor Lachen, lustig | piegato dal ridere, ridere | râs în hohote, amuzant
🙂 slight smile | leichtes Lächeln | lieve sorriso | zâmbet ușor
😉 wink | Zwinkern | occhiolino | cu ochiul
😊 blushing smile, warm | verlegenes Lächeln, herzlich | sorriso timido, caldo | zâmbet sfios, cald
😇 innocent, angel | unschuldig, Engel | innocente, angelo | nevinovat, înger
😍 heart eyes, love | verliebt, Herzaugen | innamorato, amore | îndrăgostit, dragoste
🥰 loved, hearts | geliebt, Herzen | amato, cuori | iubit, inimi
😘 kiss | Kuss | bacio | sărut
😋 tasty, yum | lecker | gustoso | gustos
😎 cool, sunglasses | cool, Sonnenbrille | forte, occhiali da sole | tare, ochelari de soare
🤓 nerd, glasses | Streber, Brille | secchione, occhiali | tocilar, ochelari
🤔 thinking, hm | nachdenklich, hm | pensieroso, mah | gânditor, hm
🤨 doubtful, eyebrow | skeptisch, Augenbraue | dubbioso, sopracciglio | sceptic, sprânceană
😐 neutral | neutral | neutrale | neutru
🙄 rolling eyes | Augenrollen | occhi al cielo | ochi peste cap
😏 smirk | Schmunzeln, süffisant | ghigno | zâmbet ironic
😬 grimace, awkward | Grimasse, peinlich | smorfia, imbarazzo | grimasă, stânjenit
😮 surprised, wow | überrascht, oh | sorpreso, oh | uimit, oh
😱 screaming, fear | Schrei, Angst | urlo, paura | țipăt, frică
😳 embarrassed, flushed | verlegen, rot | imbarazzato, rosso | rușinat, roșu
😢 crying, sad | weinend, traurig | pianto, triste | plâns, trist
😭 sobbing, sad | heulend, traurig | in lacrime, triste | hohote de plâns, trist
😞 disappointed, sad | enttäuscht, traurig | deluso, triste | dezamăgit, trist
😅 relieved, sweat | erleichtert, Schweiß | sollievo, sudore | ușurat, transpirație
😴 sleeping, tired | schlafend, müde | addormentato, stanco | adormit, obosit
🤒 ill, fever | krank, Fieber | malato, febbre | bolnav, febră
😡 angry | wütend, böse | arrabbiato | furios
🤯 mind blown | sprachlos, umgehauen | sbalordito | uluit
🥳 party, celebrating | Party, feiern | festa, festeggiare | petrecere, sărbătoare
🥹 moved, holding back tears | gerührt, den Tränen nah | commosso | emoționat
🫠 melting | schmelzend | che si scioglie | topit
🤗 hug | Umarmung | abbraccio | îmbrățișare
🫡 salute, yes sir | Salut, zu Befehl | saluto militare, agli ordini | salut, am înțeles
🤫 quiet, secret | leise, geheim | silenzio, segreto | liniște, secret
🤷 shrug, no idea | Schulterzucken, keine Ahnung | spallucce, boh | ridicat din umeri, habar n-am
🤦 facepalm | Hand vors Gesicht | mano in faccia | palmă peste față
# Hands and hearts | Hände und Herzen | Mani e cuori | Mâini și inimi
👍 thumbs up, yes, like | Daumen hoch, ja, gut | pollice in su, sì, bene | degetul mare sus, da, bine
👎 thumbs down, no | Daumen runter, nein | pollice in giù, no | degetul mare jos, nu
👌 OK, perfect | OK, perfekt | OK, perfetto | OK, perfect
✌️ victory, peace | Sieg, Frieden | vittoria, pace | victorie, pace
🤞 fingers crossed, luck | Daumen drücken, Glück | dita incrociate, fortuna | degete încrucișate, noroc
👋 wave, hello, bye | Winken, hallo, tschüs | ciao, saluto | salut, pa
👏 applause, well done | Applaus, bravo | applauso, bravo | aplauze, bravo
🙌 hurray, raised hands | hurra, Hände hoch | evviva, mani alzate | ura, mâini ridicate
🙏 thank you, please | danke, bitte | grazie, per favore | mulțumesc, te rog
🤝 handshake, agreed | Handschlag, abgemacht | stretta di mano, d’accordo | strângere de mână, de acord
💪 strong, muscle | stark, Muskel | forza, muscolo | putere, mușchi
👀 eyes, looking | Augen, schauen | occhi, guardare | ochi, mă uit
👉 pointing right | zeigt nach rechts | indica a destra | arată la dreapta
☝️ pointing up | zeigt nach oben | indica in alto | arată în sus
❤️ red heart, love | rotes Herz, Liebe | cuore rosso, amore | inimă roșie, dragoste
🧡 orange heart | oranges Herz | cuore arancione | inimă portocalie
💛 yellow heart | gelbes Herz | cuore giallo | inimă galbenă
💚 green heart | grünes Herz | cuore verde | inimă verde
💙 blue heart | blaues Herz | cuore blu | inimă albastră
💜 purple heart | lila Herz | cuore viola | inimă mov
🖤 black heart | schwarzes Herz | cuore nero | inimă neagră
💔 broken heart | gebrochenes Herz | cuore spezzato | inimă frântă
# Signs | Zeichen | Segni | Semne
✅ done, tick | erledigt, Haken | fatto, spunta | gata, bifă
❌ no, cross | nein, Kreuz | no, croce | nu, cruce
❓ question | Frage | domanda | întrebare
❗ exclamation, important | Ausrufezeichen, wichtig | esclamazione, importante | exclamare, important
💯 hundred, exactly | hundert, genau | cento, esatto | o sută, exact
🔥 fire, great | Feuer, toll | fuoco, fantastico | foc, grozav
✨ sparkles, new | Funkeln, neu | scintille, nuovo | sclipiri, nou
⭐ star | Stern | stella | stea
🎉 party, congratulations | Konfetti, Glückwunsch | festa, congratulazioni | confetti, felicitări
🎂 cake, birthday | Torte, Geburtstag | torta, compleanno | tort, zi de naștere
🎁 present, gift | Geschenk | regalo | cadou
🏆 trophy, winner | Pokal, Sieger | trofeo, vincitore | trofeu, câștigător
🚀 rocket, soon | Rakete, gleich | razzo, presto | rachetă, curând
💡 idea, light bulb | Idee, Glühbirne | idea, lampadina | idee, bec
⏰ alarm clock, time | Wecker, Zeit | sveglia, ora | ceas, ora
📌 pin | Pinnnadel | puntina | pioneză
🔒 lock, closed | Schloss, zu | lucchetto, chiuso | lacăt, închis
💤 asleep, boring | Schlaf, langweilig | sonno, noia | somn, plictisitor
💬 speech, talk | Sprechblase, reden | fumetto, parlare | vorbire, discuție
🎵 music, note | Musik, Note | musica, nota | muzică, notă
💸 money | Geld | soldi | bani
🐛 bug, caterpillar | Fehler, Raupe | errore, bruco | eroare, omidă
# Nature and food | Natur und Essen | Natura e cibo | Natură și mâncare
☀️ sun | Sonne | sole | soare
🌧️ rain | Regen | pioggia | ploaie
❄️ snow, cold | Schnee, kalt | neve, freddo | zăpadă, frig
🌈 rainbow | Regenbogen | arcobaleno | curcubeu
🌸 blossom, flower | Blüte, Blume | fiore | floare
🌹 rose | Rose | rosa | trandafir
🍀 clover, luck | Kleeblatt, Glück | quadrifoglio, fortuna | trifoi, noroc
🌲 tree | Baum | albero | copac
🐶 dog | Hund | cane | câine
🐱 cat | Katze | gatto | pisică
🦊 fox | Fuchs | volpe | vulpe
🦉 owl | Eule | gufo | bufniță
🦜 parrot | Papagei | pappagallo | papagal
🐢 turtle, slow | Schildkröte, langsam | tartaruga, lento | țestoasă, încet
🦋 butterfly | Schmetterling | farfalla | fluture
☕ coffee, tea | Kaffee, Tee | caffè, tè | cafea, ceai
🍵 tea | Tee | tè | ceai
🍺 beer | Bier | birra | bere
🍷 wine | Wein | vino | vin
🥂 cheers, toast | Prost, anstoßen | cin cin, brindisi | noroc, ciocnim
🍲 soup, pot | Suppe, Topf | zuppa, pentola | supă, oală
🍕 pizza | Pizza | pizza | pizza
🍝 pasta | Nudeln | pasta | paste
🍞 bread | Brot | pane | pâine
🍎 apple | Apfel | mela | măr
🍰 cake, sweet | Kuchen, süß | dolce, torta | prăjitură, dulce
# Things and places | Dinge und Orte | Cose e luoghi | Lucruri și locuri
🏠 home, house | Zuhause, Haus | casa | acasă, casă
💼 work, briefcase | Arbeit, Aktentasche | lavoro, valigetta | muncă, servietă
📚 books, reading | Bücher, lesen | libri, leggere | cărți, citit
✏️ pencil, writing | Bleistift, schreiben | matita, scrivere | creion, scris
📷 camera, photo | Kamera, Foto | fotocamera, foto | aparat, fotografie
💻 laptop, computer | Laptop, Computer | portatile, computer | laptop, calculator
📱 phone | Handy, Telefon | telefono | telefon
🔧 spanner, repair | Schraubenschlüssel, reparieren | chiave inglese, riparare | cheie, reparat
🎨 painting, art | Malen, Kunst | pittura, arte | pictură, artă
🎬 film | Film | film | film
⚽ football | Fußball | calcio | fotbal
🎲 game, dice | Spiel, Würfel | gioco, dado | joc, zar
🚲 bicycle | Fahrrad | bicicletta | bicicletă
🚗 car | Auto | auto, macchina | mașină
🚆 train | Zug, Bahn | treno | tren
✈️ plane, travel | Flugzeug, Reise | aereo, viaggio | avion, călătorie
🏖️ beach, holiday | Strand, Urlaub | spiaggia, vacanza | plajă, vacanță
⛰️ mountain | Berg | montagna | munte
🌍 earth, world | Erde, Welt | terra, mondo | pământ, lume
`;

const columns: readonly Language[] = ['en', 'de', 'it', 'ro'];

/** In a language; the English words are found in every one. */
export function emojisIn(language: Language): EmojiGroup[] {
  const column = columns.indexOf(language);
  const groups: { name: string; emojis: Emoji[] }[] = [];
  for (const line of table.trim().split('\n')) {
    const [emoji = '', ...rest] = line.split(' ');
    const names = rest.join(' ').split(' | ');
    const words = names[column] ?? '';
    if (emoji === '#') groups.push({ name: words, emojis: [] });
    else groups.at(-1)?.emojis.push({ emoji, name: words.split(', ')[0] ?? '', words: `${words}, ${names[0]}`.toLocaleLowerCase() });
  }
  return groups;
}

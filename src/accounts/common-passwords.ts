/** The commonest passwords of eight characters and more, as published lists of leaked passwords agree on them. */
import { foldName } from './names.ts';

/** One of the first guesses: on the list (in any case), one character over and over, or a run of neighbours in the alphabet. */
export function isCommonPassword(password: string): boolean {
  const folded = foldName(password);
  if (common.has(folded)) return true;
  const codes = [...folded].map((character) => character.codePointAt(0) as number);
  const steps = new Set(codes.slice(1).map((code, index) => code - (codes[index] as number)));
  return steps.size === 1 && [-1, 0, 1].includes([...steps][0] as number);
}

const common = new Set(
  `
00000000 01234567 012345678 0123456789 10203040 1029384756 11111111 11112222 11223344 1122334455 112233445566 12121212 12312312 123123123 12341234 123412345 12344321
1234567! 12345678 123456789 1234567890 12345678910 123456789a 123456789q 1234567a 1234567q 123456abc 123456qwerty 12345abc 12345qwe 12345qwert 12345qwerty 1234abcd
1234qwer 123654789 123698745 123abc123 123qwe123 123qweasd 123qweasdzxc 12qwaszx 13131313 13243546 134679852 135792468 142536789 147258369 147852369 147896325 159357456
159753258 159753456 15975391 18273645 19841984 19851985 19861986 19871987 19881988 19891989 19901990 1a2b3c4d 1a2b3c4d5e 1g2w3e4r 1q1q1q1q 1q2w3e4r 1q2w3e4r5t
1q2w3e4r5t6y 1qaz1qaz 1qaz2wsx 1qaz2wsx3edc 1qaz@wsx 1qazxsw2 1qazzaq1 20002000 20102010 20202020 21212121 22222222 22446688 23232323 23456789 24681012 25252525 25802580
31415926 3141592653 32103210 33333333 36925814 44444444 45645645 456456456 4815162342 55555555 55667788 56565656 66666666 69696969 74108520 741852963 77777777 78945612
789456123 7894561230 78963214 87654321 88888888 96385274 963852741 98765432 987654321 9876543210 99998888 99999999 a1234567 a12345678 a123456789 a1b2c3d4 a1s2d3f4
aa123456 aa12345678 aaaa1111 aaaaaaaa aaaaaaaaa aabbccdd ab123456 abc12345 abc123456 abc123abc abc123def abcd1234 abcd12345 abcdef123 abcdefg1 abcdefgh access14 admin123
admin1234 admin12345 adminadmin administrator aleksandr alexande alexander alexandra amsterdam anderson angelica annabelle anthony1 anything apples123 aq1sw2de3 arsenal1
asd12345 asd123asd asdasdasd asdf1234 asdf12345 asdf;lkj asdfasdf asdfghjk asdfghjkl asdfqwer asdqwe123 asdzxc123 asshole1 atlantis azerty123 azertyuiop babygirl
babygirl1 badminton banana123 baseball baseball1 basketball batman123 beautiful benjamin blackbird blink182 bluebird bonjour1 brooklyn buddy123 bulldogs buttercup
butterfly caroline catherine celtic1888 champion changeme changeme1 charlie1 charlotte cheese123 chelsea1 chester1 chicago1 chocolate chocolate1 christian christine
christopher cocacola computer computer1 cookie123 courtney creative cristiano cristina cupcakes daniel123 danielle darkness december default1 defaultpassword dolphin1
dolphins dragon123 drowssap einstein elephant elizabeth eminem123 everything facebook facebook1 fernando ferrari1 fireball firebird firewall flamingo florence flower123
football football1 football123 forever1 francisco franklin freedom1 friends1 fuckyou1 fuckyou123 fuckyou2 gabriela gangster garfield gateway1 georgina godzilla goldfish
goodluck grandma1 greenday guest123 guitar123 hamilton hannah123 happy123 happyday hardcore hello123 hello1234 hellohello helloworld hollywood homework iamadmin iloveme1
iloveu123 iloveyou iloveyou1 iloveyou123 iloveyou2 iloveyouu immortal infinity internet internet1 isabella jackson1 jasmine1 jennifer jennifer1 jessica1 jonathan
jordan123 jordan23 juventus k1234567 kimberly kingkong kissme123 kristina lakers24 lavender leonardo letmein! letmein1 letmein123 letmeinn lineage2 liverpool liverpool1
login123 logitech lollipop lovelove lovely123 loveme123 loveyou1 ludacris manchester margaret marlboro marshall martina1 maryjane master123 master1234 masterkey maverick
mercedes michael1 michelle michelle1 michigan midnight mitchell monkey123 monster1 montreal moonlight mortgage motorola mountain mustang1 mypassword myspace1 naruto123
natalie1 nicholas nicole123 nintendo nirvana1 nothing1 november octopus1 olivia123 opensesame p@$$w0rd p@ssw0rd p@ssword pa$$w0rd pa55w0rd pa55word pakistan panasonic
paradise parola123 passat123 passport passw0rd passw0rd1 password password! password1 password12 password123 password1234 passwords patricia patrick1 peaches1 pepper123
phoenix1 pineapple platinum playboy1 player123 playstation pokemon1 pokemon123 porsche911 portugal precious princess princess1 princess123 professional purple123 pussycat
q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qawsedrf qazwsx123 qazwsxedc qazwsxedcrfv qazxswedc qq123456 qqqqqqqq qqww1122 qwaszx123 qwe12345 qwe123qwe qweasd123 qweasdzxc qweqwe123
qweqweqwe qwer1234 qwer12345 qwerasdf qwert123 qwert12345 qwerty!@ qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyqwerty qwertyui qwertyuio qwertyuiop
qwertyuiop1 qwertz123 qwertzuiop raiders1 rainbow1 ranger123 rebecca1 redskins remember richard1 rockstar rockyou1 ronaldo7 rootroot rosemary rush2112 sabrina1 samantha
samsung1 samsung123 sandra123 santiago satan666 savannah scarface scorpion scotland secret123 security sephiroth september shadow123 shannon1 sherlock simpsons slipknot
smokey123 snickers snowball snowboard softball softball1 something spiderman spiderman1 spitfire starcraft starlight startrek starwars starwars1 steelers stellina
stephanie sterling strawberry summer123 sunflower sunshine sunshine1 superman superman1 superman123 superstar sweetheart sweetie1 sweetpea swordfish taylor123 teacher1
tecktonik temp1234 temppass terminator test1234 test12345 test123456 testing1 testing123 testtest thailand thebeatles thuglife thunder1 tinkerbell tinkerbell1 toor1234
tottenham trinity1 trustno1 twilight undertaker unicorns univers1 user1234 valentina valentine vanessa1 veronica victoria victoria1 vladimir w1234567 warcraft warrior1
webmaster welcome1 welcome12 welcome123 westside whatever whatever1 whiskers williams windows1 winston1 woaini123 woaini1314 wolverine wp2003wp xxxxxxxx yamaha123
yankees1 yellow123 yourmom1 yuantuo2012 yugioh123 zaq12wsx zaq1xsw2 zaq1zaq1 zaqwsx123 zinedine zxc12345 zxcasdqwe zxcvb123 zxcvbn123 zxcvbnm, zxcvbnm1 zxcvbnm123
zxcvbnma zzzzzzzz
`
    .trim()
    .split(/\s+/)
    .map(foldName),
);

-- CreateTable
CREATE TABLE "UntoldReceipt" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,

    PRIMARY KEY ("chatId", "userId")
);

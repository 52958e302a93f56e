-- CreateTable
CREATE TABLE "UntoldReceipt" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,

    CONSTRAINT "UntoldReceipt_pkey" PRIMARY KEY ("chatId","userId")
);

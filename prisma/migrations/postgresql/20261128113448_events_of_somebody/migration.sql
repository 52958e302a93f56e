-- CreateIndex
CREATE INDEX "Event_of_chat" ON "Event"("chatId", "number") WHERE ("chatId" IS NOT NULL);

-- CreateIndex
CREATE INDEX "Event_of_person" ON "Event"("userId", "number") WHERE ("userId" IS NOT NULL);

-- CreateIndex
CREATE INDEX "Event_of_everyone" ON "Event"("type", "number") WHERE ("chatId" IS NULL);
